"""Consumers of chanx: typed messages, a task for each of them, completion frames."""

from typing import Literal

from chanx.channels.websocket import AsyncJsonWebsocketConsumer
from chanx.core.decorators import event_handler, ws_handler
from chanx.messages.base import BaseMessage
from pydantic import BaseModel


class EchoPayload(BaseModel):
    text: str
    times: int = 1


class EchoMessage(BaseMessage):
    action: Literal["echo"] = "echo"
    payload: EchoPayload


class SayMessage(BaseMessage):
    action: Literal["say"] = "say"
    payload: str


class EchoReply(BaseMessage):
    action: Literal["echoed"] = "echoed"
    payload: str


class SaidMessage(BaseMessage):
    action: Literal["said"] = "said"
    payload: str


class NewsEvent(BaseMessage):
    action: Literal["news"] = "news"
    payload: str


class TypedConsumer(AsyncJsonWebsocketConsumer):
    groups = ["typed"]

    @ws_handler
    async def handle_echo(self, message: EchoMessage) -> EchoReply:
        return EchoReply(payload=message.payload.text * message.payload.times)

    @ws_handler(output_type=SaidMessage)
    async def handle_say(self, message: SayMessage) -> None:
        await self.broadcast_message(SaidMessage(payload=message.payload))

    @event_handler
    async def handle_news(self, event: NewsEvent) -> EchoReply:
        return EchoReply(payload=f"news: {event.payload}")
