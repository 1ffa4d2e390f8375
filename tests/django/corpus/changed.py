"""The corpus with a small mistake in some consumers: a comparison that does not notice each is worth nothing."""

import json

from corpus.asgi import application
from corpus.chat.consumers import ChatConsumer, ModeratedConsumer, PrivateChatConsumer, TypingConsumer
from corpus.identity.consumers import WhoAmIConsumer
from corpus.notify.consumers import UserConsumer
from corpus.presence.consumers import DirectConsumer, OnlineConsumer
from corpus.states.consumers import GameConsumer

__all__ = ["application"]


async def _spaceless(self, event):
    await self.send(text_data=json.dumps(event["data"], ensure_ascii=False, separators=(",", ":")))


async def _to_all(self, event):
    await self.send(text_data=event["payload"])


async def _silent(self, event):
    return None


async def _not_offline(self, online):
    return None


def _kept(self, code):
    return None


def _own_event(self, text_data):
    self.send(text_data=json.dumps({"message": json.loads(text_data)["message"]}))


async def _other_code(self, code=None, reason=None):
    await super(ModeratedConsumer, self).close(code=4000)


async def _two_frames(self):
    await original(self)
    await self.send_json({})


original = WhoAmIConsumer.whoami
#: A byte of a frame; a frame too much for one; one too few; no row; a row too many; no event; a code; a frame more.
UserConsumer.send_notification = _spaceless
TypingConsumer.relay = _to_all
PrivateChatConsumer.private_read = _silent
OnlineConsumer.update_user_status = _not_offline
DirectConsumer.disconnect = _kept
ChatConsumer.receive = _own_event
ModeratedConsumer.close = _other_code
WhoAmIConsumer.whoami = _two_frames
GameConsumer.connect = GameConsumer.close
