import json
import logging

from asgiref.sync import async_to_sync
from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.template.loader import render_to_string

from .models import Message, Reaction, Room, Thread, ThreadMessage
from .serializers import MessageSerializer

User = get_user_model()
logger = logging.getLogger(__name__)


class ChatConsumer(WebsocketConsumer):
    """The tutorial's consumer, synchronous."""

    def connect(self):
        self.room_name = self.scope["url_route"]["kwargs"]["room_name"]
        self.room_group_name = "tutorial_%s" % self.room_name
        async_to_sync(self.channel_layer.group_add)(self.room_group_name, self.channel_name)
        self.accept()

    def disconnect(self, close_code):
        async_to_sync(self.channel_layer.group_discard)(self.room_group_name, self.channel_name)

    def receive(self, text_data):
        text_data_json = json.loads(text_data)
        message = text_data_json["message"]
        async_to_sync(self.channel_layer.group_send)(self.room_group_name, {"type": "chat_message", "message": message})

    def chat_message(self, event):
        message = event["message"]
        self.send(text_data=json.dumps({"message": message}))


class StoredChatConsumer(AsyncWebsocketConsumer):
    """History at connect, members only, everything stored; system messages come from a view."""

    async def connect(self):
        self.room_name = self.scope["url_route"]["kwargs"]["room_name"]
        self.room_group_name = f"chat_{self.room_name}"
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close(code=4001)
            return
        self.room = await self.get_room()
        if self.room is None:
            await self.close(code=4004)
            return
        if self.room.private and not await self.is_member():
            await self.close(code=4003)
            return
        await self.channel_layer.group_add(self.room_group_name, self.channel_name)
        await self.accept()
        for message in await self.get_history():
            await self.send(text_data=json.dumps(message))
        await self.channel_layer.group_send(
            self.room_group_name, {"type": "user_joined", "username": self.user.username}
        )

    async def disconnect(self, close_code):
        if hasattr(self, "room") and self.room:
            await self.channel_layer.group_send(
                self.room_group_name, {"type": "user_left", "username": self.user.username, "code": close_code}
            )
            await self.channel_layer.group_discard(self.room_group_name, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        try:
            data = json.loads(text_data)
        except json.JSONDecodeError:
            await self.send(text_data=json.dumps({"error": "Invalid JSON"}))
            return
        message = (data.get("message") or "").strip()
        if not message:
            return
        saved = await self.save_message(message)
        await self.channel_layer.group_send(
            self.room_group_name,
            {"type": "chat.message", "message": message, "username": self.user.username, "id": saved.id},
        )

    async def chat_message(self, event):
        await self.send(
            text_data=json.dumps(
                {
                    "type": "message",
                    "id": event["id"],
                    "message": event["message"],
                    "username": event["username"],
                    "mine": event["username"] == self.user.username,
                }
            )
        )

    async def user_joined(self, event):
        await self.send(text_data=json.dumps(event))

    async def user_left(self, event):
        await self.send(text_data=json.dumps(event))

    @database_sync_to_async
    def get_room(self):
        try:
            return Room.objects.get(name=self.room_name)
        except Room.DoesNotExist:
            return None

    @database_sync_to_async
    def is_member(self):
        return self.room.members.filter(pk=self.user.pk).exists()

    @database_sync_to_async
    def get_history(self):
        messages = self.room.messages.select_related("author").order_by("-pk")[:10]
        return [
            {"type": "history", "message": m.content, "username": m.author.username if m.author else "system"}
            for m in reversed(messages)
        ]

    @database_sync_to_async
    def save_message(self, message):
        return Message.objects.create(room=self.room, author=self.user, content=message)


class CommandChatConsumer(WebsocketConsumer):
    """A table of commands in the class, called with `self`."""

    def fetch_messages(self, data):
        messages = Message.objects.filter(room__name=self.room_name).order_by("-pk").all()[:20]
        self.send_message({"command": "messages", "messages": [self.message_to_json(m) for m in messages]})

    def new_message(self, data):
        author_user = User.objects.filter(username=data["from"])[0]
        room = Room.objects.get(name=self.room_name)
        message = Message.objects.create(room=room, author=author_user, content=data["message"])
        self.send_chat_message({"command": "new_message", "message": self.message_to_json(message)})

    commands = {"fetch_messages": fetch_messages, "new_message": new_message}

    def message_to_json(self, message):
        return {
            "id": message.id,
            "author": message.author.username,
            "content": message.content,
            "timestamp": str(message.timestamp),
        }

    def connect(self):
        self.room_name = self.scope["url_route"]["kwargs"]["room_name"]
        self.room_group_name = f"commands_{self.room_name}"
        async_to_sync(self.channel_layer.group_add)(self.room_group_name, self.channel_name)
        self.accept()

    def disconnect(self, close_code):
        async_to_sync(self.channel_layer.group_discard)(self.room_group_name, self.channel_name)

    def receive(self, text_data):
        data = json.loads(text_data)
        self.commands[data["command"]](self, data)

    def send_chat_message(self, message):
        async_to_sync(self.channel_layer.group_send)(self.room_group_name, {"type": "chat_message", "message": message})

    def send_message(self, message):
        self.send(text_data=json.dumps(message))

    def chat_message(self, event):
        self.send(text_data=json.dumps(event["message"]))


class PrivateChatConsumer(AsyncJsonWebsocketConsumer):
    """Two people; the group is made of their sorted ids, the other's row is kept."""

    async def connect(self):
        self.me = self.scope["user"]
        if self.me.is_anonymous:
            return await self.close()
        try:
            self.other_user = await User.objects.aget(username=self.scope["url_route"]["kwargs"]["username"])
        except User.DoesNotExist:
            return await self.close(4004)
        self.group = "private_{}_{}".format(*sorted([self.me.id, self.other_user.id]))
        self.thread, created = await database_sync_to_async(Thread.objects.get_or_new)(
            self.me, self.other_user.username
        )
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        unread = await self.thread.messages.filter(read=False).exclude(sender=self.me).acount()
        await self.send_json({"type": "hello", "with": self.other_user.get_full_name(), "unread": unread})

    async def receive_json(self, content, **kwargs):
        kind = content.get("type")
        if kind == "message":
            message = await ThreadMessage.objects.acreate(thread=self.thread, sender=self.me, body=content["body"])
            await self.thread.asave()
            await self.channel_layer.group_send(
                self.group,
                {"type": "private.message", "body": message.body, "id": message.pk, "sender_id": self.me.pk},
            )
        elif kind == "typing":
            await self.channel_layer.group_send(
                self.group, {"type": "private.typing", "sender_id": self.me.pk, "is_typing": content["is_typing"]}
            )
        elif kind == "read":
            count = await self.thread.messages.filter(read=False).exclude(sender=self.me).aupdate(read=True)
            await self.channel_layer.group_send(
                self.group, {"type": "private.read", "reader_id": self.me.pk, "count": count}
            )
        else:
            await self.send_json({"type": "error", "message": f"unknown type {kind!r}"})

    async def private_message(self, event):
        await self.send_json({"type": "message", **{k: v for k, v in event.items() if k != "type"}})

    async def private_typing(self, event):
        if event["sender_id"] != self.me.pk:
            await self.send_json({"type": "typing", "is_typing": event["is_typing"]})

    async def private_read(self, event):
        if event["reader_id"] != self.me.pk:
            await self.send_json({"type": "read", "count": event["count"], "by": self.other_user.username})

    async def disconnect(self, code):
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)


class ThreadConsumer(AsyncConsumer):
    """No generic class at all: raw messages of the specification."""

    async def websocket_connect(self, event):
        other_user = self.scope["url_route"]["kwargs"]["username"]
        me = self.scope["user"]
        thread_obj, _ = await self.get_thread(me, other_user)
        self.thread_obj = thread_obj
        self.chat_room = thread_obj.room_group_name
        await self.channel_layer.group_add(self.chat_room, self.channel_name)
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, event):
        front_text = event.get("text", None)
        if front_text is not None:
            loaded = json.loads(front_text)
            msg = loaded.get("message")
            user = self.scope["user"]
            username = user.username if user.is_authenticated else "default"
            await self.create_chat_message(user, msg)
            await self.channel_layer.group_send(
                self.chat_room,
                {"type": "chat_message", "text": json.dumps({"message": msg, "username": username})},
            )

    async def chat_message(self, event):
        await self.send({"type": "websocket.send", "text": event["text"]})

    async def websocket_disconnect(self, event):
        await self.channel_layer.group_discard(self.chat_room, self.channel_name)

    @database_sync_to_async
    def get_thread(self, user, other_username):
        return Thread.objects.get_or_new(user, other_username)

    @database_sync_to_async
    def create_chat_message(self, me, msg):
        return ThreadMessage.objects.create(thread=self.thread_obj, sender=me, body=msg)


class ModeratedConsumer(AsyncJsonWebsocketConsumer):
    """Accepts first, so that the code of a refusal reaches the browser."""

    async def connect(self):
        await self.accept()
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.send_json({"type": "error", "message": "Authentication required"})
            await self.close(code=4001)
            return
        name = self.scope["url_route"]["kwargs"]["room_name"]
        room = await Room.objects.filter(name=name).afirst()
        if room is None:
            await self.send_json({"type": "error", "message": "Room not found"})
            return await self.close(code=4004)
        if not await room.members.filter(pk=user.pk).aexists():
            await self.send_json({"type": "error", "message": "Not a member"})
            return await self.close(code=4003)
        self.group_name = f"moderated_{room.pk}"
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await self.send_json({"type": "welcome", "room": room.title})

    async def receive_json(self, content):
        if content.get("kick"):
            target = await User.objects.filter(username=content["kick"]).afirst()
            if target:
                await self.channel_layer.group_send(
                    self.group_name, {"type": "kick.user", "user_id": target.pk, "by": self.scope["user"].username}
                )
            return
        await self.channel_layer.group_send(self.group_name, {"type": "relay", "content": content})

    async def relay(self, event):
        await self.send_json(event["content"])

    async def kick_user(self, event):
        if self.scope["user"].pk == event["user_id"]:
            await self.send_json({"type": "kicked", "by": event["by"]})
            await self.close(code=4003)

    async def disconnect(self, code):
        if getattr(self, "group_name", None):
            await self.channel_layer.group_discard(self.group_name, self.channel_name)
            await self.channel_layer.group_send(
                self.group_name, {"type": "relay", "content": {"type": "left", "user": self.scope["user"].username}}
            )


class TypingConsumer(AsyncWebsocketConsumer):
    """Relays whatever comes to everybody but the sender, known by its channel name."""

    async def connect(self):
        self.room_group_name = "typing_" + self.scope["url_route"]["kwargs"]["room_name"]
        await self.channel_layer.group_add(self.room_group_name, self.channel_name)
        await self.accept()

    async def disconnect(self, close_code):
        await self.channel_layer.group_discard(self.room_group_name, self.channel_name)

    async def receive(self, text_data):
        await self.channel_layer.group_send(
            self.room_group_name, {"type": "relay", "payload": text_data, "sender_channel_name": self.channel_name}
        )

    async def relay(self, event):
        if self.channel_name != event["sender_channel_name"]:
            await self.send(text_data=event["payload"])


class ActionChatConsumer(JsonWebsocketConsumer):
    """Dispatches by `action` to methods; edit, delete and react check whose message it is."""

    def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            self.close()
            return
        self.room = Room.objects.prefetch_related("members").get(name=self.scope["url_route"]["kwargs"]["room_name"])
        self.group_name = f"actions_{self.room.name}"
        async_to_sync(self.channel_layer.group_add)(self.group_name, self.channel_name)
        self.accept()

    def receive_json(self, content, **kwargs):
        action = content.pop("action", None)
        handler = getattr(self, f"handle_{action}", None)
        if handler is None:
            self.send_json({"type": "error", "error": f"Unknown action: {action}"})
            return
        try:
            handler(**content)
        except (TypeError, Message.DoesNotExist, PermissionError) as e:
            self.send_json({"type": "error", "error": type(e).__name__})

    def handle_send(self, text):
        message = Message.objects.create(room=self.room, author=self.user, content=text)
        self.broadcast("created", message)

    def handle_edit(self, id, text):
        message = self.own(id)
        message.content, message.edited = text, True
        message.save(update_fields=["content", "edited"])
        self.broadcast("edited", message)

    def handle_delete(self, id):
        message = self.own(id)
        async_to_sync(self.channel_layer.group_send)(self.group_name, {"type": "message.deleted", "id": message.pk})
        message.delete()

    def handle_react(self, id, emoji):
        message = Message.objects.get(pk=id, room=self.room)
        reaction, created = Reaction.objects.get_or_create(message=message, user=self.user, emoji=emoji)
        if not created:
            reaction.delete()
        counts = list(message.reactions.values_list("emoji", flat=True).order_by("emoji"))
        async_to_sync(self.channel_layer.group_send)(
            self.group_name, {"type": "message.reactions", "id": id, "emoji": counts}
        )

    def own(self, id):
        message = Message.objects.get(pk=id)
        if message.author_id != self.user.id:
            raise PermissionError
        return message

    def broadcast(self, what, message):
        data = MessageSerializer(message).data
        async_to_sync(self.channel_layer.group_send)(
            self.group_name, {"type": "message.changed", "what": what, "data": dict(data)}
        )

    def message_changed(self, event):
        self.send_json({"type": event["what"], "message": event["data"], "members": len(self.room.members.all())})

    def message_deleted(self, event):
        self.send_json({"type": "deleted", "id": event["id"]})

    def message_reactions(self, event):
        self.send_json({"type": "reactions", "id": event["id"], "emoji": event["emoji"]})

    def disconnect(self, close_code):
        if hasattr(self, "group_name"):
            async_to_sync(self.channel_layer.group_discard)(self.group_name, self.channel_name)


class HistoryConsumer(AsyncJsonWebsocketConsumer):
    """Pages of the history on demand, by a DRF serializer; the page is remembered."""

    page_size = 3

    async def connect(self):
        self.page = 1
        self.room_name = self.scope["url_route"]["kwargs"]["room_name"]
        await self.accept()
        await self.send_page()

    async def receive_json(self, content):
        if content.get("command") == "next":
            self.page += 1
        elif content.get("command") == "goto":
            self.page = int(content["page"])
        await self.send_page()

    async def send_page(self):
        payload = await self.get_page(self.page)
        await self.send_json(payload)

    @database_sync_to_async
    def get_page(self, number):
        query = Message.objects.filter(room__name=self.room_name).select_related("author", "room").order_by("pk")
        paginator = Paginator(query, self.page_size)
        page = paginator.get_page(number)
        return {
            "page": page.number,
            "pages": paginator.num_pages,
            "has_next": page.has_next(),
            "results": MessageSerializer(page.object_list, many=True).data,
        }


class HtmxConsumer(WebsocketConsumer):
    """HTML fragments, rendered for each member in the handler."""

    def connect(self):
        self.user = self.scope["user"]
        self.group = "htmx_" + self.scope["url_route"]["kwargs"]["room_name"]
        async_to_sync(self.channel_layer.group_add)(self.group, self.channel_name)
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        text = json.loads(text_data)["chat_message"]
        async_to_sync(self.channel_layer.group_send)(
            self.group, {"type": "message.html", "author": self.user.username or "guest", "text": text}
        )

    def message_html(self, event):
        context = {"author": event["author"], "text": event["text"], "mine": event["author"] == self.user.username}
        self.send(text_data=render_to_string("chat/message.html", context))

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_discard)(self.group, self.channel_name)
