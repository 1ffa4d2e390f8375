import json
from urllib.parse import parse_qs

from channels.auth import login, logout
from channels.db import database_sync_to_async
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, JsonWebsocketConsumer
from django.contrib.auth import authenticate, get_user_model
from rest_framework_simplejwt.tokens import AccessToken, UntypedToken

from .models import Device

User = get_user_model()


class WhoAmIConsumer(AsyncJsonWebsocketConsumer):
    """Says who is connected, at connect and later; of use behind every middleware."""

    async def connect(self):
        self.user = self.scope["user"]
        if self.user.is_anonymous:
            await self.close(code=4001)
            return
        self.subprotocol = self.scope["subprotocols"][0] if self.scope["subprotocols"] else None
        await self.accept(self.subprotocol)
        await self.channel_layer.group_add(f"who_{self.user.pk}", self.channel_name)
        await self.whoami()

    async def receive_json(self, content):
        if content.get("rename"):
            self.user.first_name = content["rename"]
            await self.user.asave(update_fields=["first_name"])
        await self.whoami()

    async def whoami(self):
        await self.send_json(
            {
                "id": self.user.pk,
                "name": self.user.username,
                "first": self.user.first_name,
                "staff": self.user.is_staff,
                "same": self.user == self.scope["user"],
                "auth": self.scope.get("auth"),
                "claims": sorted(self.scope.get("token_payload", {})),
                "ticket": self.scope.get("ticket"),
            }
        )

    async def who_event(self, event):
        await self.send_json({"for": self.user.username, "event": event["text"]})


class InsideTokenConsumer(JsonWebsocketConsumer):
    """The token is read by the consumer; accepts to be able to close with a code."""

    def connect(self):
        params = parse_qs(self.scope["query_string"].decode("utf-8"))
        token = params.get("token", [""])[0]
        try:
            UntypedToken(token)
            self.user = User.objects.get(pk=AccessToken(token)["user_id"])
        except Exception as e:
            self.accept()
            self.send_json({"type": "auth_error", "error": type(e).__name__})
            self.close(code=4001)
            return
        self.accept()
        self.send_json({"type": "authenticated", "user": self.user.username})

    def receive_json(self, content, **kwargs):
        self.send_json({"user": self.user.username, "echo": content})


class FirstMessageConsumer(AsyncWebsocketConsumer):
    """Nothing works before the first message has a good token."""

    async def connect(self):
        self.user_id = None
        self.group_name = None
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        data = json.loads(text_data)
        match data.get("type"):
            case "authenticate":
                await self.authenticate(data.get("token"))
            case "say" if self.user_id:
                await self.channel_layer.group_send(
                    self.group_name, {"type": "said", "by": self.user_id, "text": data["text"]}
                )
            case _:
                await self.send(text_data=json.dumps({"type": "error", "message": "authenticate first"}))
                await self.close(code=4003)

    async def authenticate(self, token):
        try:
            self.user_id = int(AccessToken(token)["user_id"])
        except Exception:
            await self.close(code=4001)
            return
        self.group_name = "first_message"
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await self.send(text_data=json.dumps({"type": "authenticated", "user_id": self.user_id}))

    async def said(self, event):
        await self.send(text_data=json.dumps({"by": event["by"], "text": event["text"], "me": self.user_id}))

    async def disconnect(self, code):
        if self.group_name:
            await self.channel_layer.group_discard(self.group_name, self.channel_name)


class TenantConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.tenant = self.scope["tenant"]
        self.group = f"{self.tenant.schema}_all"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def receive_json(self, content):
        await self.channel_layer.group_send(self.group, {"type": "tenant.message", "content": content})

    async def tenant_message(self, event):
        await self.send_json({"tenant": self.tenant.schema, "content": event["content"]})


class SessionConsumer(AsyncJsonWebsocketConsumer):
    """Reads the session and writes to it, as it does in views."""

    async def connect(self):
        session = self.scope["session"]
        session["visits"] = session.get("visits", 0) + 1
        await database_sync_to_async(session.save)()
        await self.accept()
        await self.send_json({"visits": session["visits"], "cart": session.get("cart", [])})

    async def receive_json(self, content):
        session = self.scope["session"]
        cart = session.get("cart", [])
        cart.append(content["add"])
        session["cart"] = cart
        await database_sync_to_async(session.save)()
        await self.send_json({"cart": self.scope["session"]["cart"], "key": session.session_key[:6]})

    async def disconnect(self, code):
        self.scope["session"]["left_with"] = code
        await database_sync_to_async(self.scope["session"].save)()


class LoginConsumer(AsyncJsonWebsocketConsumer):
    """Login and logout over the socket."""

    async def connect(self):
        await self.accept()
        await self.send_json({"user": self.scope["user"].username})

    async def receive_json(self, content):
        if "login" in content:
            user = await database_sync_to_async(authenticate)(username=content["login"], password=content["password"])
            if user is None:
                await self.send_json({"error": "wrong password"})
                return
            await login(self.scope, user, backend="django.contrib.auth.backends.ModelBackend")
            await database_sync_to_async(self.scope["session"].save)()
        elif "logout" in content:
            await logout(self.scope)
        await self.send_json(
            {"user": self.scope["user"].username, "authenticated": self.scope["user"].is_authenticated}
        )


class DeviceConsumer(AsyncWebsocketConsumer):
    """A machine with a secret in a header of its own; its last close code is stored."""

    async def connect(self):
        secret = next((v for k, v in self.scope["headers"] if k == b"x-device-secret"), b"").decode()
        self.device = await Device.objects.select_related("owner").filter(secret=secret).afirst()
        if self.device is None:
            raise DenyConnection("unknown device")
        await self.accept(subprotocol="ocpp1.6" if "ocpp1.6" in self.scope["subprotocols"] else None)

    async def receive(self, text_data=None, bytes_data=None):
        kind, number, action, *rest = json.loads(text_data)
        await self.send(json.dumps([3, number, {"owner": self.device.owner.username, "action": action}]))

    async def disconnect(self, code):
        if getattr(self, "device", None):
            self.device.last_code = code
            await self.device.asave()


class ScopeConsumer(AsyncJsonWebsocketConsumer):
    """What the middleware and the server put into the scope, read again at each message; it adds its own."""

    async def connect(self):
        self.scope["seen"] = 0
        self.scope.setdefault("tags", set()).add("connected")
        await self.accept()

    async def receive_json(self, content):
        scope = self.scope
        scope["seen"] += 1
        scope["tags"].add(content.get("tag", "none"))
        await self.send_json(
            {
                "path": scope["path"],
                "query": scope["query_string"].decode(),
                "kwargs": {k: str(v) for k, v in scope["url_route"]["kwargs"].items()},
                "greeting": scope["context"].greeting(),
                "geo": scope["geo"],
                "boss": scope["boss"].username,
                "seen": scope["seen"],
                "tags": sorted(scope["tags"]),
                "type": scope["type"],
                "cookies": sorted(scope["cookies"]),
                "language": dict(scope["headers"]).get(b"accept-language", b"").decode(),
            }
        )


class EchoBodyConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("enveloped", self.channel_name)
        await self.accept()

    async def receive_json(self, content):
        await self.send_json({"got": content, "enveloped": self.scope["enveloped"]})

    async def enveloped_event(self, event):
        await self.send_json({"event": event["n"]})


class DenialConsumer(AsyncWebsocketConsumer):
    """Answers the handshake with an HTTP response where the server can do that."""

    async def connect(self):
        reason = self.scope["url_route"]["kwargs"]["reason"]
        if "websocket.http.response" in self.scope.get("extensions", {}):
            body = json.dumps({"detail": reason}).encode()
            await self.base_send(
                {
                    "type": "websocket.http.response.start",
                    "status": 429,
                    "headers": [(b"content-type", b"application/json"), (b"retry-after", b"30")],
                }
            )
            await self.base_send({"type": "websocket.http.response.body", "body": body[:5], "more_body": True})
            await self.base_send({"type": "websocket.http.response.body", "body": body[5:]})
        else:
            await self.close()


class AcceptHeadersConsumer(AsyncWebsocketConsumer):
    """Headers and a subprotocol with the acceptance."""

    async def connect(self):
        wanted = [p for p in self.scope["subprotocols"] if p.startswith("v")]
        await self.accept(subprotocol=max(wanted, default=None), headers=[(b"x-server-version", b"7"), (b"x-b", b"1")])
        await self.send(text_data=json.dumps(self.scope["subprotocols"]))
