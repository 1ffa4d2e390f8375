"""A consumer that stays in Django while other paths are the node's."""

from channels.generic.websocket import AsyncWebsocketConsumer

from .notes import note


class EchoConsumer(AsyncWebsocketConsumer):
    """Echoes text and bytes; closes when it is asked to."""

    async def connect(self):
        self.who = self.scope["url_route"]["kwargs"]["who"]
        if self.who == "stranger":
            await self.close()
            return
        offered = self.scope["subprotocols"]
        await self.accept(offered[-1] if offered else None)

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "close":
            await self.close(4001)
        elif text_data == "headers":
            headers = [f"{name.decode()}: {value.decode('latin-1')}" for name, value in self.scope["headers"]]
            await self.send("\n".join(headers))
        else:
            await self.send(text_data, bytes_data)

    async def disconnect(self, code):
        note(f"{self.who} left with {code}")
