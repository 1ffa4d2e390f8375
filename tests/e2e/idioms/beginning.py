"""What a client gets when it comes, and what it asks for."""

from rig.idioms.stage import Stage, scenario


@scenario(6, breaks=("Welcome, ", "Hello, "))
async def a_welcome_after_accept(stage: Stage) -> None:
    anna = await stage.open("", "anna")
    await anna.count(2)
    ben = await stage.open("", "ben")
    await ben.got(type="user_joined")
    await anna.got(username=stage.ben.name)
    assert [frame["type"] for frame in ben.json()] == ["connection_established", "user_joined"]


@scenario(7, breaks=("unread_{{ user.id }}", "unread"))
async def what_has_happened_so_far(stage: Stage) -> None:
    for text, read in (("old", True), ("first", False), ("second", False)):
        await stage.make("Notification", user_id=stage.anna.id, text=text, read=read)
    anna, ben = [await stage.open("", who) for who in ("anna", "ben")]
    await anna.got(type="initial", count=2)
    await ben.got(type="initial", count=0)
    await stage.publish(f"unread_{stage.anna.id}", type="new_notification", id=1, text="third")
    await anna.got(text="third")


@scenario(8, breaks=("status.404.reply", "status.410.reply"))
async def messages_by_their_action(stage: Stage) -> None:
    first, second = [await stage.make("Notification", user_id=stage.anna.id, text=text) for text in ("one", "two")]
    foreign = await stage.make("Notification", user_id=stage.ben.id, text="for Ben")
    anna = await stage.open("", "anna")
    for number, message in enumerate(
        (
            {"action": "ping", "timestamp": 1766304000.5},
            {"action": "ping"},
            {"action": "mark_read", "id": first},
            {"action": "mark_read", "id": first},
            {"action": "mark_read", "id": foreign},
            {"action": "dance", "id": second},
        ),
        start=1,
    ):
        await anna.send(message)
        await anna.count(number)
    await stage.rows("Notification", user=stage.anna.id)
    await anna.ask({"action": "mark_all_read"}, type="all_read")
    for person in (stage.anna, stage.ben):
        await stage.rows("Notification", user=person.id)
