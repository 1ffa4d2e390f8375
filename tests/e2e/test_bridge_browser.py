"""The bridge's shortest way: an unmodified chat with session cookies, through nginx and two nodes, in browsers."""

import json

import pytest
from rig.browser import browser
from rig.client import until
from rig.corpus.target import Target, make_database
from rig.http import Http
from rig.system import ONE_WORKER

CHAT = """
new Promise((resolve) => {
    window.got = []; window.ended = null;
    window.chat = new WebSocket("ws://" + location.host + "/ws/chat/stored/attic/");
    chat.onmessage = (event) => got.push(JSON.parse(event.data));
    chat.onopen = () => resolve("open");
    chat.onclose = (event) => { window.ended = event.code; resolve("closed " + event.code); };
})
"""


@pytest.fixture
def chat(tmp_path):
    """The corpus behind two nodes and nginx."""
    target = Target("browser", tmp_path / "chat", "core", make_database(tmp_path)).serve("daphne", bridge=True)
    try:
        target.nodes(2).wait()
        # Each of two browsers is on a node of its own.
        target.system.start_nginx(replace=ONE_WORKER)
        yield target
    finally:
        target.stop()


async def as_user(page, address: str, cookie: str) -> None:
    await page.call("Network.enable")
    await page.call("Network.setCookie", url=address, name="sessionid", value=cookie, httpOnly=True, sameSite="Lax")
    await page.goto(f"{address}/api/alive/")


async def test_two_people_chat_with_the_consumer_of_the_project(chat):
    address = f"http://127.0.0.1:{chat.system.nginx.port}"
    async with browser() as anna, browser() as ben:
        for page, name in ((anna, "anna"), (ben, "ben")):
            await as_user(page, address, chat.people[name]["session"])
            assert await page.run(CHAT) == "open"
        nodes = chat.system.nodes
        assert [chat.system.metric(node, "channelgate_connections") for node in nodes] == [1, 1]

        await anna.run('chat.send(JSON.stringify({message: "Dinner?"}))')
        await ben.run('chat.send(JSON.stringify({message: "At eight."}))')
        # Django publishes by itself, after a commit.
        announced = await Http(chat.system.nginx.port).post("/api/rooms/attic/announce/", data={"text": "Fire drill"})
        assert announced.status == 201

        async def said(page):
            return [line for line in await page.run("got") if line["type"] == "message"]

        async def everybody_has_all():
            return len(await said(anna)) == len(await said(ben)) == 3

        await until(everybody_has_all, "three messages in both browsers")
        for page, name in ((anna, "anna"), (ben, "ben")):
            lines = await said(page)
            assert sorted(line["message"] for line in lines) == ["At eight.", "Dinner?", "Fire drill"]
            assert {line["username"] for line in lines if line["mine"]} == {name}
        stored = chat.query(
            "SELECT content FROM chat_message WHERE room_id IN (SELECT id FROM chat_room WHERE name = 'attic')"
        )
        assert sorted(row["content"] for row in stored) == ["At eight.", "Dinner?", "Fire drill"]

        # `disconnect()` runs, too: the other hears of it.
        await ben.run("chat.close()")
        await until(lambda: has_left(anna, "ben"), "the room to hear that ben has left")


async def has_left(page, name: str) -> bool:
    return any(line["type"] == "user_left" and line["username"] == name for line in await page.run("got"))


async def test_a_browser_without_a_session_is_refused_by_the_consumer(chat):
    address = f"http://127.0.0.1:{chat.system.nginx.port}"
    async with browser() as page:
        await page.goto(f"{address}/api/alive/")
        assert await page.run(CHAT) == "closed 1006"
    refused = [chat.system.metric(node, "channelgate_handshakes_total", outcome="denied") for node in chat.system.nodes]
    assert json.dumps(sum(refused)) == "1.0"
