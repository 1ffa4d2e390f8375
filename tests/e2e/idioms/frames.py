"""What goes through one socket: bytes, tokens, several rooms, jobs, messages to one connection, and nonsense."""

import uuid

from rig.idioms.stage import Stage, scenario


@scenario(28, breaks=('when = "event.sender != channel_name"\n', ""))
async def bytes_in_both_directions(stage: Stage) -> None:
    anna, ben = [await stage.open("7/", who) for who in ("anna", "ben")]
    other = await stage.open("8/", "carl")
    for chunk in (bytes(range(256)), b"\0", b"{}"):
        await anna.send(chunk)
        await ben.wait(lambda client, chunk=chunk: chunk in client.frames, f"{chunk!r}")
    await anna.send("text")
    await other.send(b"elsewhere")
    await other.count_of(1)
    await ben.send(b"the end")
    await anna.wait(lambda client: b"the end" in client.frames, "the end")


@scenario(29, breaks=(', "subprotocol"]', "]"))
async def a_token_in_the_subprotocol(stage: Stage) -> None:
    await stage.refused("")
    await stage.refused("", subprotocols=["access_token", "not-a-token"])
    await stage.refused("", subprotocols=["access_token"])
    anna = await stage.open("", label="anna", subprotocols=["access_token", stage.anna.jwt])
    stage.note("subprotocol", anna.connection.subprotocol)
    await stage.publish(f"device_{stage.ben.id}", type="device.told", text="for Ben")
    await stage.publish(f"device_{stage.anna.id}", type="device.told", text="for Anna")
    await anna.got(text="for Anna")


@scenario(30, breaks=("follow_<int>", "follow_<slug>"))
async def several_rooms_in_one_socket(stage: Stage) -> None:
    for query in ("", "?orders=", "?orders=1,x", "?orders=1,,2"):
        await stage.refused(query)
    anna, ben = await stage.open("?orders=1,2", "anna"), await stage.open("?orders=3", "ben")
    for order in (1, 2, 3, 1):
        await stage.publish(f"follow_{order}", type="order.moved", order=order, status="sent")
        await (ben if order == 3 else anna).got(order=order)
    await anna.count_of(3)


@scenario(31, breaks=("close = 1000", "close = 1001"))
async def progress_of_a_job(stage: Stage) -> None:
    job, other = str(uuid.UUID(int=7)), str(uuid.UUID(int=8))
    anna, ben = await stage.open(f"{job}/", "anna"), await stage.open(f"{other}/", "ben")
    await stage.run("export", job=job, rows=3)
    await anna.gone()
    await stage.run("export", job=other, rows=0)
    await ben.gone()


@scenario(32, breaks=("'from': id", "'from': message.to"))
async def a_message_to_one_connection(stage: Stage) -> None:
    people = {who: await stage.open("", who) for who in ("anna", "ben", "carl")}
    ids = {}
    for who, client in people.items():
        ids[who] = (await client.got(type="welcome"))["id"]
        stage.call_it(ids[who], f"the id of {who}")
    offer = {"sdp": "v=0", "kind": "offer"}
    await people["anna"].send({"type": "signal", "to": ids["ben"], "data": offer})
    caller = (await people["ben"].got(data=offer))["from"]
    await people["ben"].send({"type": "signal", "to": caller, "data": "answer"})
    await people["anna"].got(data="answer")


@scenario(33, breaks=("'got': message.get('type')", "'got': 'it'"))
async def messages_that_nobody_understands(stage: Stage) -> None:
    anna = await stage.open("", "anna")
    nonsense = ["not json", '{"type": "echo"', "", {"type": "nope"}, {"n": 1}, {"type": None}, {"type": 7}]
    for message in nonsense:
        await anna.send(message)
    await anna.ask({"type": "echo", "text": "still here"}, text="still here")
    await anna.count_of(len(nonsense) + 1)


@scenario(35, breaks=('data = "channel_name"', 'data = "id"'))
async def a_message_from_a_view(stage: Stage) -> None:
    pages = [await stage.open("") for _ in range(2)]
    codes = [(await page.got(type="code"))["code"] for page in pages]
    for number, code in enumerate(codes):
        stage.call_it(code, f"code {number}")
    stage.note("a wrong code", await stage.run("confirm", code="wrong", user=stage.anna.id))
    stage.note("a code", await stage.run("confirm", code=codes[0], user=stage.anna.id))
    await pages[0].gone()
