"""Actions of the project, found by their module's name."""

import datetime
import itertools

from django.contrib.auth.models import User

from channelgate import Call, NotFound, Refused, action
from project.models import Message

counter = itertools.count()


@action("user")
def user(call: Call) -> dict:
    found = User.objects.filter(pk=(call.user or {}).get("id")).first()
    if found is None:
        raise NotFound("User not found")
    return {"id": found.pk, "connection": call.connection, "consumer": call.consumer, "data": call.data}


@action("auser")
async def auser(call: Call) -> dict:
    found = await User.objects.filter(pk=(call.user or {}).get("id")).afirst()
    if found is None:
        raise Refused(409, "No such user")
    return {"id": found.pk, "at": datetime.datetime(2026, 3, 2, 9, 31, 7, 123456, tzinfo=datetime.timezone.utc)}


@action("count", idempotent=True)
def count(call: Call) -> int:
    return next(counter)


@action("acount", idempotent=True)
async def acount(call: Call) -> int:
    return next(counter)


@action("fails")
def fails(call: Call) -> None:
    raise RuntimeError("a secret of the code")


@action("set")
def unfit(call: Call) -> object:
    return {1, 2}


@action("atomic", atomic=True)
def atomic(call: Call) -> None:
    Message.objects.create(room="atomic", author="x", text="x")
    raise Refused(409, "after the write")
