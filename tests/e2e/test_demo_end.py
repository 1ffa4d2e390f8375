"""The end of `make demo`, and of all that starts parts: Ctrl-C ends all of it, also when its terminal is closed."""

import contextlib
import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import stack
from rig.demonstration import CONTROL, Demonstration


def test_ctrl_c_leaves_no_process_even_while_redis_is_frozen(tmp_path):
    demonstration = Demonstration(tmp_path, nodes=1)
    try:
        demonstration.wait()
        parts = demonstration.processes()
        assert len(parts) == 5
        argv, env = demonstration.part.argv, demonstration.part.env
        second = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30)
        assert second.returncode == 1 and "choose another with" in second.stderr
        env |= {name: str(stack.free_port()) for name in demonstration.ports}
        second = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30)
        assert second.returncode == 1 and "choose another directory with UP_DIR" in second.stderr
        freeze = demonstration.web.request_now("POST", f"{CONTROL}freeze-redis", body=b"", headers={"X-Demo": "1"})
        assert freeze.status == 200, freeze
        assert demonstration.stop(signal.SIGINT) == 0, demonstration.log.read_text()
        # Each ended as it was asked to.
        assert "redis ended (0)" in demonstration.log.read_text()
    finally:
        demonstration.stop()
    for pid in parts:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            raise AssertionError(Path(f"/proc/{pid}/cmdline").read_text())
    assert not any(map(stack.listening, demonstration.ports.values()))
    assert json.loads((demonstration.run / "sent.jsonl").read_text().splitlines()[0])["n"] == 1


def test_all_parts_end_when_the_terminal_is_closed(tmp_path):
    parts = [stack.Part(name, ["sleep", "600"], tmp_path, lambda: True) for name in ("node1", "nginx", "redis")]
    terminal, program = pty.openpty()
    os.close(terminal)
    output = os.fdopen(program, "w", buffering=1)
    try:
        with contextlib.redirect_stdout(output):
            stack.end([part.start() for part in parts])
        assert not any(part.running for part in parts)
    finally:
        for part in parts:
            part.kill()
        with contextlib.suppress(OSError):
            output.close()
