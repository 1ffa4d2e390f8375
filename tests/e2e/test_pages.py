"""Pages of templates in Chromium: events arrive, a killed node comes back, and what was missed is loaded anew.

What the manual says of close codes and pauses is compared with the client on sockets that the test opens and closes;
tests/browser/test/client.test.js has the same with a real node.
"""

import json
import re

import pytest
import stack
from rig import project
from rig.browser import browser
from rig.client import until
from rig.http import Http

CONFIG = """
[[consumer]]
path = "/ws/orders/<int:id>/"
auth = ["django"]
groups = ["order_{{ route.id }}"]

[consumer.on_event."order.status"]
send = "{'type': 'order.status', 'status': event.status}"

[consumer.on_gap]
when = "query.cg == '1'"
send = "{'type': 'gap', 'reason': gap.reason, 'groups': gap.groups}"
"""
#: The state that a page shows, and whether it is connected.
STATE = "document.querySelector('#state').textContent"
CONNECTION = {
    "plain": "document.querySelector('#connection').textContent",
    "htmx": "document.querySelector('section').getAttribute('cg-status')",
}
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
    violations.push(violatedDirective + " " + blockedURI);
});
"""


@pytest.fixture(scope="module")
def shop(module_system):
    """Redis, the site, and a node that asks it who its clients are."""
    system, port = module_system, stack.free_port()
    more = {"CHANNELGATE_ALLOWED_ORIGINS": "127.0.0.1", **stack.backend_env(port)}
    node = system.start_node(wait=False, config=CONFIG, **more)
    env = {**project.environment("storefront", system.directory, system.redis_url), "NODE_PORT": str(node.port)}
    project.migrate(system.directory, env)
    argv = [stack.PYTHON, "-m", "uvicorn", "storefront.asgi:application", "--port", str(port), "--no-access-log"]
    ready = lambda: stack.http_status(port, "/") == 404  # noqa: E731
    system._start(stack.Part("storefront", argv, system.directory, ready, env, port), wait=False)
    system.pages = port
    system.wait()
    return system


@pytest.mark.parametrize("kind", ["plain", "htmx2", "htmx4"])
async def test_a_page_of_a_template_stays_fresh(shop, kind):
    site, (node,) = Http(shop.pages), shop.nodes
    address = f"http://127.0.0.1:{shop.pages}"
    order = {"plain": 7, "htmx2": 8, "htmx4": 9}[kind]
    connected = CONNECTION[kind.rstrip("24")]

    async def change(to: str):
        assert (await site.get(f"/orders/{order}/change/{to}/")).status == 200

    async with browser() as page:

        async def shows(state: str):
            wanted = state if kind == "plain" else f"{state} (true htmx)"
            await until(lambda: is_true(page, f"{STATE} === {json.dumps(wanted)}"), f"the page to show {wanted}")

        async def connection(status: str):
            await until(lambda: is_true(page, f"{connected} === {json.dumps(status)}"), status)

        await page.call("Page.addScriptToEvaluateOnNewDocument", source=VIOLATIONS)
        await page.goto(f"{address}/login/anna/")
        await page.goto(f"{address}/orders/{order}/page/{kind}/")
        await connection("open")
        await change("paid")
        await shows("paid")

        # What is published while no node is there reaches nobody.
        node.kill()
        await connection("reconnecting")
        await change("sent")
        node.start().wait()
        await connection("open")
        await shows("sent")

        # Every connection of the node to Redis breaks, and what is published then may be missing.
        stack.redis_command(shop.redis.port, "CLIENT KILL TYPE normal SKIPME yes")
        if kind == "plain":
            script = "[...document.querySelectorAll('#missed li')].map((item) => item.textContent).join()"
            await until(lambda: is_true(page, f"{script} === 'reconnected,gap'"), "the page to be told of the gap")
        await change("arrived")
        await shows("arrived")
        assert await page.run("violations") == []
        assert page.errors == []


async def is_true(page, script: str) -> bool:
    return await page.run(script)


MANUAL = stack.ROOT / "docs" / "django" / "pages.md"
#: Makes sockets that open at once, and whose close codes the test chooses; `random` is what chance gives.
SOCKETS = """
(async () => {
    const { createClient, wsToken } = await import("/static/channelgate/client.js");
    let random = 1;
    Math.random = () => random;
    window.WebSocket = class {
        static OPEN = 1;
        readyState = 1;
        constructor(url) { window.socket = this; this.url = url; }
        send() {}
        close() {}
    };
    const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
    const begin = async (options) => {
        const client = createClient({ url: "/ws/", ...options });
        client.connect();
        await turn();
        socket.onopen?.();
        return client;
    };
    const told = (client) => {
        const { status, retryAt } = client.snapshot();
        // No two attempts are closer than 250 ms.
        const wait = retryAt === null ? 0 : retryAt - Date.now();
        return [status, wait <= 250 ? null : Math.round(wait / 100) / 10];
    };
    %s
})()
"""
CODES = """
    const found = {};
    for (const code of %s) {
        const client = await begin({ token: "t" });
        socket.onclose({ code, reason: "" });
        found[code] = [told(client)];
        if (found[code][0][0] === "reconnecting" && found[code][0][1] === null) {
            await turn(260);
            socket.onopen();
            socket.onclose({ code, reason: "" });
            found[code].push(told(client));
        }
        client.disconnect();
    }
    const unknown = await begin();
    random = 0;
    found.unknown = [];
    for (let n = 0; n < 4; n += 1) {
        socket.onclose({ code: 4321, reason: "" });
        found.unknown.push(unknown.snapshot().status);
        await turn(300);
    }
    return found;
"""
PAUSES = """
    const pauses = [];
    const client = await begin();
    for (let n = 0; n < 7; n += 1) {
        random = 1;
        socket.onclose({ code: 1006, reason: "" });
        pauses.push(told(client)[1]);
        // The network is back: at once, but not before the least distance of two attempts.
        random = 0;
        const began = Date.now();
        const before = socket;
        dispatchEvent(new Event("online"));
        while (socket === before) await turn(5);
        if (n === 6) pauses.push(Date.now() - began);
    }
    client.disconnect();
    const statuses = [];
    for (const status of [401, 403]) {
        window.fetch = async () => new Response("{}", { status });
        const other = createClient({ url: "/ws/", token: wsToken() });
        other.connect();
        const isOver = () => ["unauthorized", "failed"].includes(other.snapshot().status);
        for (let n = 0; n < 2000 && !isOver(); n += 1) await turn(5);
        statuses.push(other.snapshot().status);
    }
    return { pauses, statuses };
"""


def rows(text: str) -> dict[str, str]:
    """The table of close codes in the manual."""
    table = text.partition("| close code | what follows |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| ([0-9o][^|]*) \| (.*) \|$", table, re.MULTILINE))


def codes_of(cell: str) -> list[int]:
    """`1002, 1007 to 1010`."""
    found: list[int] = []
    for one in cell.split(", "):
        first, _, last = one.partition(" to ")
        found += range(int(first), int(last or first) + 1)
    return found


async def test_the_manual_says_what_close_codes_do(shop):
    said = rows(MANUAL.read_text())
    outcome = {codes: said[codes] for codes in said if not codes.startswith("others")}
    assert len(outcome) == 7 and "three times again, then `failed`" in said["others from 3000 on"]
    async with browser() as page:
        await page.goto(f"http://127.0.0.1:{shop.pages}/static/channelgate/client.js")
        codes = [code for cell in outcome for code in codes_of(cell)]
        found = await page.run(SOCKETS % (CODES % json.dumps(codes)))
    assert found.pop("unknown") == ["reconnecting"] * 3 + ["failed"]
    expected = {
        "again": [["reconnecting", 1]],
        "again within 2 s: a node stops, and its clients spread": [["reconnecting", 2]],
        "again, 5 s later": [["reconnecting", 6]],
        "again at once with a fresh token; within 10 s a second time: `unauthorized`": [
            ["reconnecting", None],
            ["unauthorized", None],
        ],
        **{f"`{status}`": [[status, None]] for status in ("closed", "failed", "unauthorized")},
    }
    assert found == {str(code): expected[text] for cell, text in outcome.items() for code in codes_of(cell)}


async def test_the_manual_says_when_a_page_comes_back(shop):
    text = MANUAL.read_text()
    assert "up to 1 s, 2 s, 4 s, … 30 s" in text and "at least 250 ms after the attempt before" in text
    async with browser() as page:
        await page.goto(f"http://127.0.0.1:{shop.pages}/static/channelgate/client.js")
        found = await page.run(SOCKETS % PAUSES)
    *pauses, wait = found["pauses"]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    # At once, and not after the last pause.
    assert 200 <= wait < 20_000
    assert found["statuses"] == ["unauthorized"] * 2
