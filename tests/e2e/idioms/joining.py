"""Which groups a client is in."""

from rig.idioms.stage import Stage, scenario


@scenario(1, breaks=("order_{{ route.order_id }}", "orders"))
async def a_room_from_the_path(stage: Stage) -> None:
    anna = await stage.open("7/", "anna")
    guest = await stage.open("7/")
    other = await stage.open("8/", "ben")
    await stage.publish("order_7", type="order_status", status="paid", data={"total": "12.50", "items": [1, None]})
    await stage.publish("order_8", type="order_status", status="sent", data=None)
    await stage.publish("order_7", type="order_status", status="done", data={})
    for client in (anna, guest):
        await client.got(status="done")
    await other.got(status="sent")


@scenario(3, breaks=("user_{{ user.id }}", "users"))
async def a_group_per_user(stage: Stage) -> None:
    assert await stage.refused("") == 403
    tabs = [await stage.open("", "anna") for _ in range(2)]
    ben = await stage.open("", "ben")
    for person, text in ((stage.anna, "first"), (stage.ben, "for Ben"), (stage.anna, "second")):
        await stage.run("notify", user=person.id, text=text)
    for client in tabs:
        await client.got(text="second")
    await ben.got(text="for Ben")
    await stage.rows("Notification", user=stage.anna.id)


@scenario(15, breaks=('leave = "board_{{ message.board }}"', ""))
async def subscribe_and_unsubscribe(stage: Stage) -> None:
    assert await stage.refused("") == 403
    own = await stage.make("Board", name="own", owner_id=stage.anna.id)
    shared = await stage.make("Board", name="shared", owner_id=stage.ben.id, members=[stage.anna.id])
    foreign = await stage.make("Board", name="foreign", owner_id=stage.ben.id)
    anna, ben = [await stage.open("", who) for who in ("anna", "ben")]

    async def tell(what: str, *boards: int) -> None:
        for board in boards:
            await stage.publish(f"board_{board}", type="board.changed", board=board, what=what)

    for board in (own, shared, foreign):
        await anna.ask({"type": "subscribe", "board": board}, board=board)
    await ben.ask({"type": "subscribe", "board": foreign}, type="subscribed")
    await tell("first", own, foreign, shared)
    await anna.got(board=shared, what="first")
    await anna.ask({"type": "unsubscribe", "board": own}, type="unsubscribed", board=own)
    await tell("second", own, foreign, shared)
    await anna.got(board=shared, what="second")
    await ben.got(board=foreign, what="second")
    assert not [frame for frame in anna.json() if frame.get("board") == own and frame.get("what") == "second"]


@scenario(16, breaks=("join_token = \"message.token\"\ndenied = \"{'type': 'denied'}\"", 'join = "page_7"'))
async def a_group_that_the_page_has_signed(stage: Stage) -> None:
    anna, ben = [await stage.open("", who) for who in ("anna", "ben")]
    token = await stage.run("token_for_page", user=stage.anna.id, page=7)
    for client, shown in ((ben, token), (anna, token[:-2]), (anna, "page_7"), (anna, token)):
        before = len(client.frames)
        await client.send({"type": "watch", "token": shown})
        await client.count(before + 1)
    mine = await stage.run("token_for_page", user=stage.ben.id, page=8)
    await ben.ask({"type": "watch", "token": mine}, type="watching")
    for page in (7, 8, 7):
        await stage.publish(f"page_{page}", type="page.changed", title=f"page {page}")
    await anna.count(5)
    await ben.got(title="page 8")
    assert [frame["type"] for frame in anna.json()] == ["denied", "denied", "watching", "changed", "changed"]
