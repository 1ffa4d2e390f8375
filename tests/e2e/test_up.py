"""`make up`: a new user's whole system, and its end."""

import asyncio
import re
import shlex
import signal
import subprocess
import sys

import pytest
import stack
import up as program
from rig.client import Client
from rig.demo import Demo
from rig.demonstration import CONTROL, application
from rig.http import Http


@pytest.fixture
def ports() -> dict[str, str]:
    names = ("HTTP_PORT", "DJANGO_PORT", "NODE_PORT", "REDIS_PORT")
    return {name: str(stack.free_port(2 if name == "NODE_PORT" else 1)) for name in names}


async def test_the_whole_system_starts_works_and_ends_on_ctrl_c(ports, tmp_path, sockets):
    argv = [sys.executable, stack.ROOT / "scripts" / "up.py", "--nodes", "2"]
    app = application(tmp_path / "app")
    env = {**ports, "PYTHONUNBUFFERED": "1", "UP_DIR": str(tmp_path / "run"), "DEMO_APP": str(app)}
    # What its user has exported for a project does not reach it.
    env |= {"CHANNELGATE_CONFIG": "/none/channelgate.toml", "CACHE_URL": "redis://127.0.0.1:1/0"}
    up = stack.Part("up", argv, tmp_path, lambda: "curl" in up.log.read_text(), env)
    up.start()
    try:
        await asyncio.to_thread(up.wait, 60)
        text = up.log.read_text()
        client = await Client.open(int(ports["HTTP_PORT"]), "/ws/")
        command = text[text.index("curl") :].replace("\\\n", " ").split("\n")[0]
        made = await asyncio.to_thread(
            subprocess.run, shlex.split(command), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert re.search(r'"id":\d+', made.stdout), made
        assert (await client.count(1))[0]["event"] == "client_create"
        web = Http(int(ports["HTTP_PORT"]))
        page, lots = await web.get("/"), await web.get("/api/parking/lots/")
        assert page.status == 200 and b"<title>Application</title>" in page.body
        assert len(lots.json()) == 6, "there is something to see"
        # Nothing can be broken here.
        assert (await web.get(f"{CONTROL}config")).status == 204
        assert (await web.post(f"{CONTROL}kill-node", body=b"{}", headers={"X-Demo": "1"})).status == 404
        demo = Demo(int(ports["HTTP_PORT"]))
        session = await demo.session()
        marking = await sockets.open(int(ports["HTTP_PORT"]), demo.person("ann"))
        await marking.emit("markAttendance", {"sessionId": session, "location": None})
        assert (await marking.data("attendanceMarked"))["attendance"]["sessionId"] == session
    finally:
        up.signal(signal.SIGINT)
        code = await asyncio.to_thread(up.join, 30)
    assert code == 0, up.log.read_text()
    assert (await client.gone())[0] == 1012
    for name, number in ports.items():
        assert not stack.listening(int(number)), name


async def test_without_an_application_a_page_says_what_it_needs(tmp_path):
    replace = {"proxy_pass http://127.0.0.1:8099;": program.NO_CONTROL}
    port, other = stack.free_port(), stack.free_port()
    nginx = stack.nginx(tmp_path, port, [other], other, server="demo.conf", replace=replace, app=program.NO_APP)
    try:
        nginx.start().wait()
        page, style = [await Http(port).get(path) for path in ("/", "/assets/plain.css")]
        assert page.status == 200 and b"Node 20.19" in page.body and b"make demo" in page.body
        assert style.headers["content-type"].startswith("text/css")
    finally:
        nginx.stop()
