"""Tasks of Celery's prefork pool publish."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness.server import PATIENCE, Consumer

import channelgate

from .conftest import CORE, layer_of

pytest.importorskip("celery")
SCRIPTS = Path(__file__).parent / "scripts"


@pytest.mark.timeout(150)
def test_tasks_of_a_prefork_worker_publish(server, script_environment):
    from celery import Celery

    broker = f"redis+socket://{server.socket}"
    environment = {
        **script_environment,
        "PUBLISHING_LAYER": CORE,
        "PUBLISHING_BROKER": broker,
        "PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(Path(channelgate.__file__).parents[1])]),
    }
    consumer = Consumer(layer_of(server, capacity=1000), "g")
    options = ["--pool=prefork", "--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=error"]
    program = [sys.executable, "-m", "celery", "-A", "tasks", "worker", *options]
    log = server.folder / "celery.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(program, env=environment, cwd=SCRIPTS, stdout=output, stderr=output)
    try:
        with Celery(broker=broker) as sender:
            for number in range(40):
                sender.send_task("tasks.note", (number,))
        assert consumer.next(60)["name"] == "worker"
        assert sorted(one["name"] for one in consumer.all(40)) == list(range(40))
    finally:
        worker.send_signal(signal.SIGTERM)
        status = worker.wait(PATIENCE)
        consumer.close()
    assert status == 0 and "Traceback" not in log.read_text(), log.read_text()
