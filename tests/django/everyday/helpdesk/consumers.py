from channels.db import database_sync_to_async
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from . import events
from .mixins import ActionsMixin, GroupsMixin, LoginRequiredMixin, StaffRequiredMixin
from .models import Comment, Ticket


class BaseConsumer(ActionsMixin, GroupsMixin, AsyncJsonWebsocketConsumer):
    """Every event of a ticket goes to the page as it is."""

    actions = {"ping": "pong"}

    async def pong(self, content):
        await self.reply("pong", content)

    async def forward(self, event):
        await self.send_json({"type": event["type"].replace(".", "_"), "data": event["data"]})

    ticket_created = ticket_changed = ticket_deleted = comment_added = forward


class TicketConsumer(LoginRequiredMixin, BaseConsumer):
    actions = {**BaseConsumer.actions, "comment": "add_comment", "close": "close_ticket"}

    async def get_groups(self):
        self.ticket = await self.get_ticket()
        if self.ticket is None:
            raise DenyConnection()
        return [events.ticket_group(self.ticket.pk)]

    async def add_comment(self, content):
        comment = await Comment.objects.acreate(ticket=self.ticket, author=self.scope["user"], body=content["body"])
        await self.reply("saved", {"id": comment.pk})

    async def close_ticket(self, content):
        self.ticket.state = "closed"
        await self.ticket.asave()

    @database_sync_to_async
    def get_ticket(self):
        user = self.scope["user"]
        tickets = Ticket.objects.all() if user.is_staff else Ticket.objects.filter(reporter=user)
        return tickets.filter(pk=self.scope["url_route"]["kwargs"]["pk"]).first()


class QueueConsumer(StaffRequiredMixin, BaseConsumer):
    actions = {**BaseConsumer.actions, "count": "count"}

    async def get_groups(self):
        return [events.QUEUE]

    async def count(self, content):
        await self.reply("count", {"open": await Ticket.objects.filter(state="open").acount()})
