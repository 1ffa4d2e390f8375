"""Who gets what somebody has said or done."""

from rig.idioms.stage import Stage, scenario


@scenario(9, breaks=("without('type')", "without('id')"))
async def a_message_that_is_saved_and_sent(stage: Stage) -> None:
    room, other = [await stage.make("Room", name=name) for name in ("garden", "attic")]
    assert await stage.refused(f"{room}/") == 403
    anna, ben = [await stage.open(f"{room}/", who) for who in ("anna", "ben")]
    carl = await stage.open(f"{other}/", "carl")
    await carl.ask({"message": "Nobody here?"}, message="Nobody here?")
    for n in range(5):
        await anna.send({"message": f"  number {n} ", "username": "somebody else"})
    for client in (anna, ben):
        await client.got(message="number 4")
    await ben.ask({"message": "   "}, type="error")
    await ben.ask({"message": 'Grüße 🌻 </script> "\n'}, message='Grüße 🌻 </script> "')
    await anna.count(6)
    await stage.rows("Message", room=room)
    await stage.rows("Message", room=other)


@scenario(10, breaks=('when = "event.author_id != user.id"', ""))
async def everybody_but_the_sender(stage: Stage) -> None:
    tabs = [await stage.open("plan/", "anna") for _ in range(2)]
    ben = await stage.open("plan/", "ben")
    await tabs[0].send({"type": "edit", "changes": [1, "one"]})
    await ben.got(type="edited")
    await ben.send({"type": "edit", "changes": "two"})
    for tab in tabs:
        await tab.got(changes="two")
    for author, text in ((stage.anna, "by Anna"), (stage.ben, "by Ben"), (stage.carl, "by Carl")):
        await stage.publish("document_plan", type="comment_added", author_id=author.id, text=text)
    for client in (*tabs, ben):
        await client.got(text="by Carl")
    seen = [[frame.get("changes", frame.get("text")) for frame in client.json()] for client in (*tabs, ben)]
    assert seen == [
        ["two", "by Ben", "by Carl"],
        [[1, "one"], "two", "by Ben", "by Carl"],
        [[1, "one"], "by Anna", "by Carl"],
    ]


@scenario(11, breaks=("user.id | same_id(event.user_id)", "user.id == event.user_id"))
async def only_the_recipient(stage: Stage) -> None:
    anna, ben = [await stage.open("red/", who) for who in ("anna", "ben")]
    for event in (
        {"type": "task.assigned", "to": stage.anna.id, "task": "sweep"},
        {"type": "task.assigned", "to": stage.ben.id, "task": "mop"},
        {"type": "task.assigned", "to": str(stage.ben.id), "task": "for nobody: the id is text"},
        {"type": "task.assigned", "to": None, "task": "for nobody"},
        {"type": "mention", "user_id": stage.anna.id, "text": "as a number"},
        {"type": "mention", "user_id": str(stage.anna.id), "text": "as text"},
        {"type": "mention", "user_id": f"0{stage.anna.id}", "text": "another text"},
        {"type": "announcement", "text": "the end"},
    ):
        await stage.publish("team_red", **event)
    for client in (anna, ben):
        await client.got(text="the end")
    assert len(anna.frames) == 4 and len(ben.frames) == 2


@scenario(12, breaks=("user.is_superuser\nor ", ""))
async def only_those_who_may_see_it(stage: Stage) -> None:
    assert await stage.refused("") == 403
    clients = [await stage.open("", who) for who in ("anna", "ben", "carl", "dora")]
    for n, (owner, users, groups) in enumerate(
        (
            (stage.anna.id, [], []),
            (0, [stage.anna.id, stage.carl.id], []),
            (0, [], ["editors", "of nobody"]),
            (None, [], []),
            (stage.anna.id, [stage.ben.id, stage.carl.id], ["editors"]),
        )
    ):
        may_see = {"owner": owner, "users_can_view": users, "groups_can_view": groups}
        await stage.publish("status_updates", type="status_update", data={"n": n}, **may_see)
    for client in clients:
        await client.got(data={"n": 4})
    seen = [[frame["data"]["n"] for frame in client.json()] for client in clients]
    assert seen == [[0, 1, 4], [2, 4], [1, 4], [0, 1, 2, 3, 4]]


@scenario(13, breaks=("to = ", 'when = "false"\nto = '))
async def somebody_is_typing(stage: Stage) -> None:
    anna, ben, carl = [await stage.open(f"{room}/", who) for room, who in (("r", "anna"), ("r", "ben"), ("s", "carl"))]
    dora = await stage.open("s/", "dora")
    await anna.send({"type": "typing", "is_typing": True, "user_id": stage.ben.id})
    await ben.got(is_typing=True)
    await ben.send({"type": "typing", "is_typing": False})
    await anna.got(is_typing=False)
    await carl.send({"type": "typing"})
    await dora.got(user_id=stage.carl.id)
    for client, number in ((anna, 1), (ben, 1), (carl, 0), (dora, 1)):
        await client.settle()
        assert len(client.frames) == number


@scenario(14, breaks=("{'type': 'user_online', 'username': user.name}", "{'type': 'user_online', 'username': user.id}"))
async def who_is_online(stage: Stage) -> None:
    anna = await stage.open("hall/", "anna")
    await anna.got(type="user_online", username=stage.anna.name)
    ben = await stage.open("hall/", "ben")
    await ben.got(type="user_online", username=stage.ben.name)
    elsewhere = await stage.open("attic/", "carl")
    await elsewhere.got(type="user_online")
    # A second tab changes nothing, and neither does its end.
    second = await stage.open("hall/", "anna")
    await second.got(type="online_users")
    await ben.close()
    for client in (anna, second):
        await client.got(type="user_offline", username=stage.ben.name)
    await second.close()
    late = await stage.open("hall/", "dora")
    await late.got(type="user_online")
    assert late.json()[0] == {"type": "online_users", "users": [stage.anna.name]}
    # When she has gone, the end of the second tab would be seen, too.
    await late.close()
    await anna.got(type="user_offline", username=stage.dora.name)
    assert {"type": "user_offline", "username": stage.anna.name} not in anna.json()
