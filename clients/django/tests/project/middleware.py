"""Middleware of the project's own, as projects write it."""

import asyncio


class Shout:
    """Wraps `send`: it has to run in every call."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        async def loud(message):
            if message["type"] == "websocket.send" and message.get("text"):
                message = {**message, "text": message["text"] + "!"}
            await send(message)

        return await self.inner(dict(scope, wrapped=1), receive, loud)


class Tag:
    """Adds to the scope."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        scope["wrapped"] = "tag"
        return await self.inner(scope, receive, send)


class Gate:
    """Refuses without reaching the consumer."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        if b"ok" not in scope["query_string"]:
            await send({"type": "websocket.close", "code": 4401})
            return None
        return await self.inner(scope, receive, send)


class Slow:
    """Wraps `receive`, and counts what passes."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        async def slow():
            message = await receive()
            await asyncio.sleep(0)
            if message["type"] == "websocket.receive" and message.get("text"):
                message = {**message, "text": message["text"].replace("a", "b")}
            return message

        return await self.inner(scope, slow, send)


class Token:
    """A token of the query, with its claims in the scope."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        expires = int(scope["query_string"].decode())
        user = {"id": "7f", "name": "Bo", "is_admin": True}
        return await self.inner({**scope, "user": user, "token_payload": {"exp": expires, "sub": "7f"}}, receive, send)


class Traced:
    """Sets a context variable for what is inside, as those that number requests for the log do."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        from project.surroundings import TRACE

        token = TRACE.set([scope["path"], 1])
        try:
            return await self.inner(scope, receive, send)
        finally:
            TRACE.reset(token)
