"""Pages of templates in Chromium: events arrive, a killed node comes back, and what was missed is loaded anew."""

import json

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
