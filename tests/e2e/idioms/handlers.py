"""Handlers that keep their Python: shared calls, streams, and what a task of the consumer becomes."""

import asyncio

from rig.idioms.stage import Actor, Stage, decoded, scenario


@scenario(22, breaks=('"user"', '"event"'))
async def a_query_for_each_user(stage: Stage) -> None:
    await stage.refused("")
    people = {"anna": 2, "ben": 1, "carl": 0}
    for who, unread in people.items():
        for number in range(unread):
            await stage.make("Notification", user_id=stage.people[who].id, text=f"n{number}", read=False)
    await stage.make("Notification", user_id=stage.anna.id, text="old", read=True)
    clients = [await stage.open("", who) for who in (*people, "anna")]
    for number in (1, 2):
        await stage.publish("badges", type="notifications.changed")
        for client in clients:
            await client.count_of(number)
        await stage.make("Notification", user_id=stage.carl.id, text="new", read=False)
    if stage.side.name != "daphne":
        assert await stage.runs("BadgeConsumer.notifications_changed") == 2 * len(people)


@scenario(23, breaks=('"event"', '"connection"\nwhen = "false"'))
async def a_template_for_all(stage: Stage) -> None:
    clients = [await stage.open("", who) for who in (None, "anna", "ben")]
    for status in ("paid", "<b>sent</b>"):
        order = await stage.make("Order", customer_id=stage.anna.id, status=status)
        await stage.publish("order_rows", type="order.changed", id=order)
    for client in clients:
        await client.count_of(2)
    if stage.side.name != "daphne":
        assert await stage.runs("OrderRowsConsumer.order_changed") == 2


@scenario(24, breaks=("django = true", 'django = ["connect", "receive"]'))
async def an_answer_word_by_word(stage: Stage) -> None:
    anna = await stage.open("", "anna")
    # The second waits for the end of the first.
    await anna.send({"prompt": "why"})
    await anna.send({"prompt": "how"})
    await anna.got(type="done", answers=2)
    ben = await stage.open("", "ben")
    await ben.send({"prompt": "slowly: where"})
    await ben.count_of(1)
    await ben.vanish()
    # How far it came until he went is chance.
    ben.frames.clear()
    # The handler came to its end, and disconnect() followed.
    await stage.stored("Answer", 1, prompt="(left)", text="after 1 answers")
    await stage.rows("Answer", prompt__in=["why", "how", "slowly: where"])


@scenario(25, breaks=('[consumer.on_disconnect.call]\naction = "stop_answer"\n', ""))
async def an_answer_that_can_be_stopped(stage: Stage) -> None:
    anna, ben = [await stage.open("", who) for who in ("anna", "ben")]
    # Ben goes in the middle of an answer that would end before the one to Anna.
    await ben.send({"type": "ask", "prompt": "slowly: Ben"})
    await ben.count_of(1)
    await ben.close()
    ben.frames.clear()
    await anna.ask({"type": "ask", "prompt": "slowly: Anna"}, type="done")
    before = len(anna.frames)
    await anna.send({"type": "ask", "prompt": "slowly: what"})
    await anna.count_of(before + 1)
    await anna.ask({"type": "stop"}, type="stopped")
    await anna.send({"type": "ask", "prompt": "well"})
    await anna.wait(lambda client: client.json()[before:].count({"type": "done"}) == 1, "the last answer")
    stage.note("stopped in the middle", _forget(anna, before))
    await stage.rows("Answer", prompt__in=["slowly: Ben", "slowly: Anna", "slowly: what", "well"])


def _forget(client: Actor, first: int) -> bool:
    """Takes out what was said of the stopped answer: how much is chance, and on a node a word may follow the stop."""
    frames = client.json()
    last = next(n for n, frame in enumerate(frames) if frame.get("text") == "well? ")
    stopped = frames.index({"type": "stopped"}, first, last)
    others = frames[first:stopped] + frames[stopped + 1 : last]
    client.frames[first:last] = [client.frames[stopped]]
    return all(frame["type"] == "token" for frame in others) and 0 < len(others) < 40


@scenario(26, breaks=('groups = ["open_orders"]', 'groups = ["orders"]'))
async def a_loop_that_polls(stage: Stage) -> None:
    anna = await stage.open("", "anna")
    await anna.count_of(1)
    at_first = anna.json()[0]["open"]
    for more in (1, 2):
        await stage.make("Order", customer_id=stage.anna.id, status="open")
        # Celery beat does this; nobody hears it under Daphne.
        await stage.run("count_orders")
        await anna.got(open=at_first + more)
    # How often the same is sent again is chance.
    seen = list(dict.fromkeys(frame["open"] - at_first for frame in anna.json()))
    stage.note("counts", seen)
    anna.frames.clear()


@scenario(27, breaks=('expect = "alive"', 'expect = "awake"'))
async def a_heartbeat_in_both_directions(stage: Stage) -> None:
    anna, ben = [await stage.open("", who) for who in ("anna", "ben")]
    answers = asyncio.create_task(_answer(anna, 3))
    try:
        await anna.send("ping")
        await anna.wait(lambda client: "pong" in client.frames, "a pong")
        await anna.ask({"type": "ping", "timestamp": 17}, timestamp=17)
        await answers
    finally:
        answers.cancel()
    await ben.gone()
    await anna.ask({"type": "ping", "timestamp": 18}, timestamp=18)
    # When they come is chance.
    anna.frames[:] = [frame for frame in anna.frames if frame not in _beats(anna)]


async def _answer(client: Actor, times: int) -> None:
    """Answers each heartbeat as soon as it has come."""
    for number in range(times):
        await client.wait(lambda client, number=number: len(_beats(client)) > number, f"heartbeat {number}")
        await client.send({"type": "alive"})


def _beats(client: Actor) -> list:
    return [frame for frame in client.frames if decoded(frame) == {"type": "heartbeat"}]


@scenario(34, breaks=('[[consumer.on_disconnect]]\ncall = { action = "last_seen", idempotent = true }\n', ""))
async def when_a_client_goes(stage: Stage) -> None:
    await stage.refused("7/")
    ben = await stage.open("7/", "ben")
    for who in ("anna", "carl"):
        client = await stage.open("7/", who)
        if who == "anna":
            await client.close()
        else:
            client.connection.transport.abort()
        await ben.got(name=stage.people[who].name)
        await stage.rows("LastSeen", user=stage.people[who].id)
