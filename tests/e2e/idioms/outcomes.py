"""What an event does besides its frame, how often, and who is in a group from then on."""

import asyncio

from rig.idioms.stage import Stage, scenario


@scenario(17, breaks=('throttle = "1/10s"\n', ""))
async def not_every_event(stage: Stage) -> None:
    anna = await stage.open("", "anna")
    for value in (1, 2, 3):
        await stage.publish("load", type="load.measured", value=value)
    await stage.publish("load", type="load.alarm", text="hot")
    await anna.got(text="hot")
    # What is measured here is time: of what was sent before, nothing counts any more.
    await asyncio.sleep(10.1)
    for value in (4, 5):
        await stage.publish("load", type="load.measured", value=value)
    await stage.publish("load", type="load.alarm", text="cold")
    await anna.got(text="cold")


@scenario(18, breaks=('limit = "5/60s"', 'limit = "6/60s"'))
async def not_every_message(stage: Stage) -> None:
    anna, ben = [await stage.open("", who) for who in ("anna", "ben")]
    for number in range(5):
        # Its own come back through the layer, so they are not in order with answers.
        await anna.ask({"type": "shout", "text": f"n{number}"}, text=f"n{number}")
    for _ in range(2):
        await anna.send({"type": "shout", "text": "too much"})
    await anna.count_of(7)
    await ben.ask({"type": "shout", "text": "of Ben"}, text="of Ben")
    await anna.got(text="of Ben")


@scenario(19, breaks=("close = 4003", "close = 4004"))
async def an_event_closes_the_connection(stage: Stage) -> None:
    await stage.refused("")
    tabs = [await stage.open("", "anna") for _ in range(2)]
    ben = await stage.open("", "ben")
    await stage.publish("lounge", type="lounge.said", text="hello")
    for client in (*tabs, ben):
        await client.got(text="hello")
    await stage.publish(f"lounge_user_{stage.anna.id}", type="user.kicked", reason="spam")
    for client in tabs:
        await client.gone()
    await stage.publish("lounge", type="lounge.said", text="quiet again")
    await ben.got(text="quiet again")


@scenario(20, breaks=('leave = "lobby"\n', ""))
async def an_event_moves_the_connection(stage: Stage) -> None:
    anna, ben = [await stage.open(f"{who}/", who) for who in ("anna", "ben")]

    async def news(group: str, text: str, *clients) -> None:
        await stage.publish(group, type="game.news", text=text)
        for client in clients:
            await client.got(text=text)

    await news("lobby", "welcome", anna, ben)
    await stage.publish("player_anna", type="match.found", match=5)
    # It comes after the move, which began before.
    await news("player_anna", "ready", anna)
    await news("match_5", "go", anna)
    await news("lobby", "who is next", ben)
    await news("player_anna", "the end", anna)


@scenario(21, breaks=('name = "my-boards"\n', ""))
async def access_is_given_and_taken(stage: Stage) -> None:
    await stage.refused("")
    plans = await stage.make("Board", name="plans", owner_id=stage.dora.id)
    ideas = await stage.make("Board", name="ideas", owner_id=stage.dora.id, members=[stage.anna.id, stage.ben.id])
    anna, ben = [await stage.open("", who) for who in ("anna", "ben")]

    async def moved(group: str, card: str, *clients) -> None:
        await stage.publish(group, type="card.moved", card=card, board=group)
        for client in clients:
            await client.got(card=card)

    async def settled(card: str) -> None:
        """Under Daphne the consumer hears of a change by an event: this one comes after it."""
        await moved(f"board_user_{stage.anna.id}", card, anna)

    await moved(f"board_{plans}", "unseen")
    await moved(f"board_{ideas}", "seen", anna, ben)
    await stage.run("add_member", board=plans, user=stage.anna.id)
    await settled("added")
    await moved(f"board_{plans}", "seen by her", anna)
    for board in (plans, ideas):
        await stage.run("remove_member", board=board, user=stage.anna.id)
    await settled("removed")
    await moved(f"board_{plans}", "unseen again")
    await moved(f"board_{ideas}", "seen by him", ben)
    await settled("the end")
    if stage.side.name != "daphne":
        assert await stage.runs("BoardsConsumer.card_moved") == 0
