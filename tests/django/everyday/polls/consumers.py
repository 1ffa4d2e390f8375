import json

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db.models import Count
from django.template.loader import render_to_string

from .models import Choice, Poll, Vote


class PollConsumer(AsyncWebsocketConsumer):
    """htmx takes HTML from the socket, and sends the form as JSON."""

    async def connect(self):
        self.slug = self.scope["url_route"]["kwargs"]["slug"]
        await self.accept()
        if not await self.exists():
            await self.close(code=4004)
            return
        await self.channel_layer.group_add(f"poll_{self.slug}", self.channel_name)
        await self.send(text_data=await self.render())

    async def disconnect(self, code):
        await self.channel_layer.group_discard(f"poll_{self.slug}", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        choice = json.loads(text_data).get("choice")
        if choice is None or self.scope["user"].is_anonymous:
            hint = "Choose one" if choice is None else "Log in to vote"
            await self.send(text_data=f'<p id="hint" hx-swap-oob="true">{hint}</p>')
            return
        await self.vote(int(choice))
        await self.channel_layer.group_send(f"poll_{self.slug}", {"type": "poll.results"})

    async def poll_results(self, event):
        await self.send(text_data=await self.render())

    async def poll_closed(self, event):
        await self.send(text_data='<p id="hint" hx-swap-oob="true">This poll is over</p>')
        await self.close(code=4000)

    @database_sync_to_async
    def exists(self):
        return Poll.objects.filter(slug=self.slug).exists()

    @database_sync_to_async
    def vote(self, choice):
        poll = Poll.objects.get(slug=self.slug)
        Vote.objects.update_or_create(poll=poll, user=self.scope["user"], defaults={"choice_id": choice})

    @database_sync_to_async
    def render(self):
        choices = Choice.objects.filter(poll__slug=self.slug).annotate(count=Count("votes")).order_by("pk")
        return render_to_string("polls/results.html", {"choices": choices})
