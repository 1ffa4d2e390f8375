"""A real browser with the real socket.io-client, on a page of another origin than the nodes."""

import json

import pytest
from rig.browser import browser
from rig.client import until
from rig.demo import mint
from rig.site import site

OPEN = """
(() => {
    window.log_ = []; window.transports_ = []; window.refused_ = null; window.ids_ = [];
    const socket = io(%s, %s);
    window.socket = socket;
    socket.onAny((name, ...args) => log_.push([name, args]));
    socket.on("connect", () => ids_.push(socket.id));
    socket.on("connect_error", (error) => { window.refused_ = error.message; });
    socket.io.on("open", () => {
        transports_.push(socket.io.engine.transport.name);
        socket.io.engine.on("upgrade", (transport) => transports_.push(transport.name));
    });
})()
"""


def opening(port: int, token: str, **options) -> str:
    return OPEN % (json.dumps(f"http://127.0.0.1:{port}"), json.dumps({"auth": {"token": token}, **options}))


@pytest.fixture(scope="module")
def open_gate(module_system, database):
    """Three nodes behind nginx that accept pages of 127.0.0.1 with any port."""
    return module_system.start_gate(3, database, CHANNELGATE_ALLOWED_ORIGINS="127.0.0.1")


async def events(page, name: str, number: int = 1) -> list:
    """The arguments of every event of this name, once there are this many."""
    script = f"log_.filter(([name]) => name === {json.dumps(name)}).map(([, args]) => args)"

    async def there():
        got = await page.run(script)
        return got if len(got) >= number else None

    return await until(there, f"{number} {name}")


@pytest.mark.parametrize(
    "transports", [["polling", "websocket"], ["websocket"], ["polling"]], ids=["upgrade", "websocket", "polling"]
)
async def test_a_page_of_an_allowed_origin_marks_attendance(open_gate, transports):
    ann = open_gate.demo.person("ann")
    session = await open_gate.demo.session()
    with site() as other_port:
        async with browser() as page:
            await page.goto(f"http://127.0.0.1:{other_port}/")
            await page.run(opening(open_gate.port, ann.token, transports=transports))
            await until(lambda: page.run("ids_.length"), "the page to be connected")
            last = transports[-1]
            await until(lambda: page.run(f"transports_.at(-1) === {json.dumps(last)}"), f"the page to be on {last}")
            await page.run(f"void socket.emit('joinSession', '{session}')")
            await page.run(f"void socket.emit('markAttendance', {{sessionId: {session}, location: null}})")
            (((update,),)) = await events(page, "attendanceUpdate")
            assert (update["userId"], update["sessionId"]) == (ann.id, session)
            names = await page.run("log_.map(([name]) => name).filter((name) => name.startsWith('attendance'))")
            assert names == ["attendanceMarked", "attendanceUpdate"]
            await open_gate.demo.announce(session, "news", {"text": "Grüße ☕"}, ann)
            assert await events(page, "news") == [[{"text": "Grüße ☕"}]]
            assert await page.run("ids_.length") == 1 and page.errors == []


async def test_a_page_of_another_origin_is_refused(open_gate):
    with site() as other_port:
        async with browser() as page:
            # The same server by another name is another origin, and that name is not allowed.
            await page.goto(f"http://localhost:{other_port}/")
            for transport in ("polling", "websocket"):
                token = open_gate.demo.person("ann").token
                await page.run(opening(open_gate.port, token, transports=[transport], reconnection=False))
                await until(lambda: page.run("refused_"), f"{transport} to be refused")
                assert await page.run("ids_.length") == 0


async def test_a_page_reads_why_it_is_refused(system, database):
    system.start_gate(1, database, config='presets = ["tracker"]\n', CHANNELGATE_ALLOWED_ORIGINS="127.0.0.1")
    with site() as other_port:
        async with browser() as page:
            await page.goto(f"http://127.0.0.1:{other_port}/")
            unknown = mint(token_type="access", jti="x", id=987_654)
            for token, reason in (("noise", "Authentication error"), (unknown, "User not found")):
                await page.run(opening(system.port, token))
                await until(lambda: page.run("refused_"), "the refusal")
                assert await page.run("refused_") == reason
