"""Runs one call: the whole application at connect, the consumer alone from its state afterwards; then the end line."""

import asyncio
import contextvars
import dataclasses
import logging
import time
from typing import Any

from channelgate.bridge import ends, held, leftovers, protocol, replays, shares, state
from channelgate.bridge.adopt import dispatch, restore, set_up
from channelgate.bridge.call import Call
from channelgate.bridge.context import CALL
from channelgate.bridge.hooks import install, watch_tasks
from channelgate.bridge.refusals import Refused, Restart
from channelgate.bridge.reply import Reply
from channelgate.bridge.request import Item, kept_scope, own_scope, scope_of
from channelgate.bridge.tree import Tree
from channelgate.conf import conf

logger = logging.getLogger("channelgate.bridge")

#: How long a handler may go on after its node has gone, in seconds: Daphne's `application_close_timeout`.
GRACE = 10
#: The end of a call that nobody reads.
OPEN = {"end": "open"}


class Runner:
    """Runs the calls of one ASGI application."""

    def __init__(self, application: Any) -> None:
        install()
        self.application = application
        self._tree: Tree | None = None

    @property
    def tree(self) -> Tree:
        """The application's consumers; read at the first call, when every route has been imported."""
        if self._tree is None:
            self._tree = Tree(self.application)
        return self._tree

    async def run(self, item: Item, reply: Reply) -> None:
        """Runs a call to its end. Every outcome is a line of the reply."""
        watch_tasks(asyncio.get_running_loop())
        began = time.monotonic()
        call = Call(item, reply, {})
        token = CALL.set(call)
        call.before = contextvars.copy_context()
        try:
            end = await self._outcome(call)
            if reply.gone:
                logger.warning("%s.%s() did not finish within %.0f s", call.who, call.handler, time.monotonic() - began)
            if reply.gone and end["end"] == "open":
                await self._departed(call)
        finally:
            call.ended = True
            CALL.reset(token)
            call.part()
        reply.write(end)

    async def _outcome(self, call: Call) -> dict[str, Any]:
        try:
            await self._event(call)
            if call.refusal is not None:
                raise call.refusal
            if call.reply.gone:
                return OPEN
            await leftovers.settle(call)
            if call.consumer is not None and not call.finished and call.item.kind != "websocket.disconnect":
                held.check(call)
                shares.check(call)
            return await ends.open_end(call, self.tree)
        except Restart as restart:
            return {"end": "restart", "text": restart.text}
        except Refused as refused:
            return self._refused(call, call.refusal or refused)
        except asyncio.CancelledError:
            if call.refusal is not None:
                return self._refused(call, call.refusal)
            if not call.reply.gone:
                raise
            logger.warning(
                "%s.%s() went on for %d s after its node had gone, and was cancelled", call.who, call.handler, GRACE
            )
            return OPEN
        except Exception as error:
            if call.refusal is not None:
                return self._refused(call, call.refusal)
            logger.error("%s.%s() failed: %s", call.who, call.handler, error, exc_info=error)
            return {"end": "error", "type": type(error).__name__, "text": str(error)[:300]}

    async def _departed(self, call: Call) -> None:
        """The node has gone in the middle of a call: the consumer hears of it as from Daphne."""
        if call.consumer is None or call.finished or call.item.kind == "websocket.disconnect":
            return
        left = {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        call.item = dataclasses.replace(call.item, event=left, kind="websocket.disconnect")
        call.status = protocol.CLOSED
        try:
            await dispatch(call, dict(call.item.event))
        except Exception as error:
            logger.error("%s.disconnect() failed: %s", call.who, error, exc_info=error)

    def _refused(self, call: Call, refusal: Refused) -> dict[str, Any]:
        for task in leftovers.holders(call):
            task.cancel()
        return refusal.end

    async def _event(self, call: Call) -> None:
        item = call.item
        cache = conf().replay_cache
        if cache is not None:
            await replays.check(cache, item)
        if item.is_connect:
            assert item.handshake is not None
            call.received_scope = scope_of(item.handshake)
            call.scope = own_scope(call.received_scope)
            await self._whole(call)
            return
        if item.state is None:
            raise Refused("state", "no state was sent along")
        payload = call.payload = state.unseal(item.state, connection=item.connection, seq=item.seq)
        meta = payload[ends.META]
        # A client that has gone hears nothing any more.
        call.status = protocol.CLOSED if item.kind == "websocket.disconnect" else meta["s"]
        call.received_scope = kept_scope(payload[state.HANDSHAKE])
        call.scope = own_scope(call.received_scope)
        leaving = item.kind == "websocket.disconnect"
        if meta["i"] is None or "w" in meta or (conf().every and not leaving):
            await self._whole(call)
            # Middleware that refuses by now keeps nobody from leaving.
            if not leaving or call.consumer is not None or meta["i"] is None:
                return
            call.payload = state.unseal(item.state, connection=item.connection, seq=item.seq)
        consumer = self.tree.make(payload["c"], meta["i"])
        if consumer is None:
            raise Restart(f"{payload['c'].replace(':', '.')} is not at its route any more")
        await self._alone(call, consumer)

    async def _whole(self, call: Call) -> None:
        """The application with its middleware and routing."""
        await self.application(call.scope, call.receive, call.send)
        if call.consumer is None and not call.item.is_connect and call.status == protocol.OPEN:
            raise Restart(f"{call.scope['path']} leads to no consumer any more")

    async def _alone(self, call: Call, consumer: Any) -> None:
        """The consumer as it was left by the call before."""
        call.consumer = consumer
        if call.item.per:
            call.scope = shares.Watched(call.scope)
        call.baseline = state.Baseline(consumer)
        set_up(call, consumer, call.scope, call.send)
        await restore(call, consumer, call.scope, fresh=True)
        await dispatch(call, dict(call.item.event))
