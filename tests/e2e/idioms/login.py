"""Who somebody is."""

import jwt
import stack as servers
from rig.demo import access_claims, mint
from rig.idioms.stage import Stage, scenario


@scenario(2, breaks=('auth = ["django"]', 'auth = ["django", "anonymous"]'))
async def the_user_of_the_session(stage: Stage) -> None:
    assert await stage.refused("") == 403
    assert await stage.refused("", headers={"Cookie": "sessionid=of-nobody"}) == 403
    for who in ("anna", "ben"):
        client = await stage.open("", who)
        await client.ask({"type": "whoami"}, id=stage.people[who].id)


@scenario(4, breaks=('groups = ["feed_{{ user.id }}"]', 'groups = ["feed"]'))
async def a_token_in_the_query(stage: Stage) -> None:
    claims = {**access_claims(stage.anna.id), "user_id": str(stage.anna.id)}
    foreign = mint("the key of somebody else, who is not this site", **claims)
    for query in (
        "",
        "?token=",
        "?token=nonsense",
        f"?token={stage.anna.jwt[:-3]}",
        f"?token={foreign}",
        f"?token={mint(**{**claims, 'exp': 1})}",
        f"?token={mint(**{**claims, 'token_type': 'refresh'})}",
        f"?token={jwt.encode(claims, servers.SECRET_KEY, algorithm='HS256')}",
    ):
        assert await stage.refused(query) == 403, query
    anna = await stage.open(f"?token={stage.anna.jwt}", label="anna")
    ben = await stage.open(f"?other=1&token={stage.ben.jwt}", label="ben")
    for who, item in ((stage.anna, [1]), (stage.ben, {"for": "Ben"}), (stage.anna, None)):
        await stage.publish(f"feed_{who.id}", type="feed_item", item=item)
    await anna.got(item=None)
    await ben.got(item={"for": "Ben"})


@scenario(5, breaks=('anonymous_for = "10s"', 'anonymous_for = "1h"'))
async def login_by_the_first_message(stage: Stage) -> None:
    silent = await stage.open("", label="silent")
    wrong = await stage.open("", label="wrong")
    await wrong.ask({"type": "whoami"}, type="error")
    await wrong.send({"type": "authenticate", "token": "of nobody"})
    assert (await wrong.gone())[0] == 4003
    anna = await stage.open("", label="anna")
    await anna.ask({"type": "authenticate", "token": stage.anna.token}, type="auth_success")
    await anna.ask({"type": "whoami"}, type="you")
    assert (await silent.gone())[0] == 4001
    # She is still there, although the time is over for her, too.
    await stage.publish(f"inbox_{stage.anna.id}", type="inbox.mail", subject="Hello")
    await anna.got(subject="Hello")
