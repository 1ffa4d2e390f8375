"""A real browser's view: the frames, the subprotocol, and the reason of a close."""

import json
import signal
import time

from rig.browser import browser
from rig.client import until
from rig.http import Http

OPEN = """
new Promise((resolve) => {
    window.frames_ = []; window.ended_ = null;
    const socket = new WebSocket(%s, %s);
    window.socket = socket;
    socket.onmessage = (event) => frames_.push(event.data);
    socket.onopen = () => resolve("open:" + socket.protocol);
    socket.onclose = (event) => { window.ended_ = [event.code, event.reason]; resolve("closed:" + event.code); };
})
"""


def opening(url: str, *protocols: str) -> str:
    return OPEN % (json.dumps(url), json.dumps(protocols))


async def test_a_browser_behind_nginx_gets_what_django_publishes(site):
    web = Http(site.nginx.port)
    host = f"127.0.0.1:{site.nginx.port}"
    async with browser() as page:
        await page.goto(f"http://{host}/api/")
        assert await page.run(opening(f"ws://{host}/ws/")) == "open:"
        form = {"first_seen": "2025-06-01T09:00:00Z", "last_seen": "2025-06-01T09:00:00Z", "gender": "male", "age": 3}
        client = (await web.post("/api/clients/", form=form, files={"image": ("a.png", b"png")})).json()["id"]
        await web.post("/api/visits/", data={"client": client, "datetime": "2025-06-01T09:00:00Z", "device_id": 1})
        await web.request("DELETE", f"/api/clients/{client}/")
        await until(lambda: _frames(page, 5), "five frames in the browser")
        events = [json.loads(frame)["event"] for frame in await page.run("frames_")]
        names = ["client_create", "client_update", "client_visit_create", "client_visit_delete", "client_delete"]
        assert events == names
        # A page can distinguish a drain from a failure.
        for node in site.nodes:
            node.signal(signal.SIGTERM)
        await until(lambda: page.run("ended_"), "the socket to close")
        assert (await page.run("ended_"))[0] == 1012


async def _frames(page, number: int) -> bool:
    return await page.run("frames_.length") >= number


async def test_a_browser_that_offers_its_token_as_a_subprotocol_is_accepted(site):
    web = Http(site.nginx.port)
    host = f"127.0.0.1:{site.nginx.port}"
    login = {"username": f"browser-{time.monotonic_ns()}", "password": "correct horse"}
    await web.post("/api/user/register/", data=login)
    access = (await web.post("/api/token/", data=login)).json()["access"]
    token = (await web.get("/api/user/ws-token/", token=access)).json()["ws_token"]
    async with browser() as page:
        await page.goto(f"http://{host}/api/")
        url = f"ws://{host}/ws/notifications/"
        assert await page.run(opening(url, "access_token", token)) == "open:access_token"
        # Refused before the upgrade: a page sees 1006, for any reason.
        assert await page.run(opening(url)) == "closed:1006"
        assert await page.run(opening(f"{url}?token={access}")) == "closed:1006"
        assert await page.run(opening(f"{url}?token={token}")) == "open:"


async def test_a_page_of_another_site_is_refused(site):
    async with browser() as page:
        # The same server under another name is another origin.
        await page.goto(f"http://localhost:{site.django.port}/api/")
        assert await page.run(opening(f"ws://127.0.0.1:{site.nginx.port}/ws/")) == "closed:1006"
