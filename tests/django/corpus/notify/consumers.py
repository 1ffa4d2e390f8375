import json
import logging

from asgiref.sync import async_to_sync, sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, JsonWebsocketConsumer
from django.core.cache import cache
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from .models import Notification, Order, Ticket

logger = logging.getLogger(__name__)


class UnreadConsumer(AsyncJsonWebsocketConsumer):
    """The unread count at connect and after each event, read in the handler: two frames for an event."""

    async def connect(self):
        self.user = self.scope["user"]
        if self.user.is_anonymous:
            await self.close(code=4001)
            return
        self.group_name = f"notifications_{self.user.id}"
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await self.accept()
        await self.send_unread_count()

    async def disconnect(self, close_code):
        if hasattr(self, "group_name"):
            await self.channel_layer.group_discard(self.group_name, self.channel_name)

    async def receive_json(self, content, **kwargs):
        match content:
            case {"type": "mark_read", "id": int(pk)}:
                updated = await self.mark_read(pk)
                await self.send_json({"type": "marked", "id": pk, "ok": bool(updated)})
                await self.send_unread_count()
            case {"type": "mark_all_read"}:
                await self.mark_read(None)
                await self.send_unread_count()
            case {"type": "list", **rest}:
                await self.send_json({"type": "list", "results": await self.latest(rest.get("limit", 5))})
            case {"type": "ping"}:
                await self.send_json({"type": "pong", "time": timezone.now().isoformat()})
            case _:
                await self.send_json({"type": "error", "message": "Unknown message type"})

    async def notification_created(self, event):
        await self.send_json({"type": "notification", "id": event["id"], "text": event["text"]})
        await self.send_unread_count()

    async def send_unread_count(self):
        await self.send_json({"type": "unread_count", "count": await self.unread_count()})

    @database_sync_to_async
    def unread_count(self):
        return Notification.objects.filter(recipient=self.user, read=False).count()

    @database_sync_to_async
    def mark_read(self, pk):
        rows = self.user.notifications.filter(read=False)
        return (rows.filter(pk=pk) if pk is not None else rows).update(read=True)

    @database_sync_to_async
    def latest(self, limit):
        rows = self.user.notifications.all()[:limit]
        return [{"id": n.pk, "text": n.text, "read": n.read, "created": n.created.isoformat()} for n in rows]


class UserConsumer(AsyncWebsocketConsumer):
    """Only checks the user and joins its group; every event is its `data`."""

    async def connect(self):
        user = self.scope.get("user")
        if user and user.is_authenticated:
            self.group_name = f"user_{user.id}"
            await self.channel_layer.group_add(self.group_name, self.channel_name)
            await self.accept()
        else:
            await self.close()

    async def disconnect(self, code):
        if hasattr(self, "group_name"):
            await self.channel_layer.group_discard(self.group_name, self.channel_name)

    async def send_notification(self, event):
        await self.send(text_data=json.dumps(event["data"], ensure_ascii=False))


class AnnouncementConsumer(JsonWebsocketConsumer):
    """The `groups` of the class, joined by Channels itself; anybody may listen."""

    groups = ["announcements", "announcements.urgent"]

    def connect(self):
        self.accept()
        self.send_json({"type": "connection_established", "message": "You are now connected!"})

    def announce(self, event):
        self.send_json({"type": "announcement", "title": event.get("title", "untitled"), "body": event["body"]})

    def announce_urgent(self, event):
        self.send_json(event)


class FeedConsumer(AsyncJsonWebsocketConsumer):
    """Topics by message; joins and leaves groups, keeps what it joined, limits how much."""

    max_topics = 3

    async def connect(self):
        self.subscriptions = set()
        await self.accept()

    async def receive_json(self, content):
        action, topic = content.get("action"), content.get("topic")
        if action == "subscribe":
            if len(self.subscriptions) >= self.max_topics:
                await self.send_json({"error": "too many topics", "topics": sorted(self.subscriptions)})
                return
            self.subscriptions.add(topic)
            await self.channel_layer.group_add(f"feed.{topic}", self.channel_name)
            await self.send_json({"subscribed": topic})
        elif action == "unsubscribe":
            self.subscriptions.discard(topic)
            await self.channel_layer.group_discard(f"feed.{topic}", self.channel_name)
            await self.send_json({"unsubscribed": topic, "left": sorted(self.subscriptions)})
        elif action == "publish":
            await self.channel_layer.group_send(f"feed.{topic}", {"type": "feed.item", "topic": topic, **content})

    async def feed_item(self, event):
        if event["topic"] in self.subscriptions:
            await self.send_json({"topic": event["topic"], "item": event.get("item")})

    async def disconnect(self, code):
        for topic in self.subscriptions:
            await self.channel_layer.group_discard(f"feed.{topic}", self.channel_name)


class OrderConsumer(AsyncJsonWebsocketConsumer):
    """One order of the user's own; the handler reads it again. Decimals and times by Django's encoder."""

    @classmethod
    async def encode_json(cls, content):
        return json.dumps(content, cls=DjangoJSONEncoder, separators=(",", ":"))

    @classmethod
    async def decode_json(cls, text_data):
        return json.loads(text_data, parse_float=str)

    async def connect(self):
        self.order_id = self.scope["url_route"]["kwargs"]["order_id"]
        self.order = await self.get_order()
        if self.order is None or self.order.customer != self.scope["user"]:
            await self.close(code=4004)
            return
        await self.channel_layer.group_add(f"order_{self.order_id}", self.channel_name)
        await self.accept()
        await self.snapshot()

    async def snapshot(self):
        await self.send_json({"status": self.order.status, "total": self.order.total, "at": self.order.placed_at})

    async def receive_json(self, content):
        await self.send_json({"echo": content, "type": type(content.get("tip")).__name__})

    async def order_status(self, event):
        before = self.order.status
        self.order = await self.get_order()
        await self.send_json({"was": before, "is": self.order.status, "customer": self.order.customer.username})

    @database_sync_to_async
    def get_order(self):
        return Order.objects.select_related("customer").filter(pk=self.order_id).first()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(f"order_{self.order_id}", self.channel_name)


class DashboardConsumer(AsyncJsonWebsocketConsumer):
    """Groups by role; events name who may see them."""

    async def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            raise PermissionError("nobody may come without a login")
        self.joined = ["dashboard"]
        if self.user.is_staff:
            self.joined.append("dashboard_staff")
        if self.user.is_superuser:
            self.joined.append("dashboard_admins")
        self.user_groups = await sync_to_async(list)(self.user.groups.values_list("name", flat=True))
        for group in self.joined:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()

    def may_see(self, event):
        if self.user.is_superuser:
            return True
        return self.user.id in event.get("users_can_view", []) or bool(
            set(self.user_groups) & set(event.get("groups_can_view", []))
        )

    async def document_updated(self, event):
        if self.may_see(event):
            await self.send_json({"type": "document", "data": event["data"]})

    async def staff_note(self, event):
        await self.send_json({"type": "note", "text": event["text"], "joined": self.joined})

    async def disconnect(self, code):
        for group in getattr(self, "joined", []):
            await self.channel_layer.group_discard(group, self.channel_name)


class QuietConsumer(AsyncWebsocketConsumer):
    """Swallows everything that goes wrong."""

    async def connect(self):
        try:
            self.user_id = self.scope["user"].id
            self.failures = 0
            await self.channel_layer.group_add(f"quiet_{self.user_id}", self.channel_name)
        except Exception:
            logger.exception("could not join")
        finally:
            await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        try:
            data = json.loads(text_data)
            await self.send(text_data=json.dumps({"sum": data["a"] + data["b"]}))
        except Exception as e:
            self.failures += 1
            await self.send(text_data=json.dumps({"failures": self.failures, "kind": type(e).__name__}))

    async def quiet_event(self, event):
        try:
            await self.send(text_data=event["text"])
        except KeyError:
            pass


class TicketBoardConsumer(JsonWebsocketConsumer):
    """Writes rows; a signal publishes to the group that the consumer itself is in."""

    def connect(self):
        self.board = self.scope["url_route"]["kwargs"].get("board", "all")
        async_to_sync(self.channel_layer.group_add)(f"tickets_{self.board}", self.channel_name)
        self.accept()
        self.created_here = []

    def receive_json(self, content):
        if "create" in content:
            ticket = Ticket.objects.create(title=content["create"], board=self.board, owner_id=self.scope["user"].pk)
            self.created_here.append(ticket.pk)
            self.send_json({"ack": ticket.pk})
        elif "rename" in content:
            ticket = Ticket.objects.get(pk=content["rename"])
            ticket.title = content["title"]
            ticket.save()
        elif "delete" in content:
            Ticket.objects.filter(pk=content["delete"]).delete()
            self.send_json({"ack": "deleted", "left": Ticket.objects.filter(board=self.board).count()})

    def ticket_update(self, event):
        mine = event["data"]["id"] in self.created_here
        self.send_json({"action": event["action"], "ticket": event["data"], "mine": mine})

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_discard)(f"tickets_{self.board}", self.channel_name)


class SessionGuardConsumer(AsyncJsonWebsocketConsumer):
    """Events that control the socket: close it, drop it from a group, let it join another."""

    async def connect(self):
        self.user = self.scope["user"]
        await self.accept()
        await self.channel_layer.group_add("guard", self.channel_name)
        await self.send_json({"type": "guarded"})

    async def force_logout(self, event):
        if self.user.id in event["user_ids"]:
            await self.send_json({"type": "force_disconnect"})
            await self.close(code=4401)

    async def move(self, event):
        await self.channel_layer.group_discard("guard", self.channel_name)
        await self.channel_layer.group_add(event["to"], self.channel_name)
        await self.send_json({"type": "moved", "to": event["to"]})

    async def note(self, event):
        await self.send_json({"note": event["note"]})


class ThrottledConsumer(AsyncJsonWebsocketConsumer):
    """At most three messages in the window; the count is in the cache, as projects with several servers keep it."""

    async def connect(self):
        self.key = f"throttle:{self.scope['user'].pk}:{self.scope['url_route']['kwargs']['name']}"
        await self.accept()

    async def receive_json(self, content):
        count = await sync_to_async(self.count)()
        if count > 3:
            await self.send_json({"type": "throttled", "count": count}, close=True)
            return
        await self.send_json({"type": "ok", "count": count})

    def count(self):
        cache.add(self.key, 0, timeout=60)
        return cache.incr(self.key)
