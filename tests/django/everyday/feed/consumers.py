from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer
from django.utils import timezone


class StaffFeedConsumer(JsonWebsocketConsumer):
    group_name = "staff_feed"

    def connect(self):
        self.accept()
        if not self.scope["user"].is_staff:
            self.send_json({"event": "error", "data": "Staff only"})
            self.close(code=4003)
            return
        self.levels = ["info", "warning", "error"]
        async_to_sync(self.channel_layer.group_add)(self.group_name, self.channel_name)
        self.send_json(
            {"event": "connected", "data": {"user": self.scope["user"].username, "server_time": str(timezone.now())}}
        )

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_discard)(self.group_name, self.channel_name)

    def receive_json(self, content):
        command = content.get("command")
        if command == "levels":
            self.levels = content["levels"]
            self.send_json({"event": "levels", "data": self.levels})
        elif command == "announce":
            async_to_sync(self.channel_layer.group_send)(
                self.group_name,
                {"type": "send.event", "event": "announcement", "level": "error", "data": content.get("text", "")},
            )

    def send_event(self, event):
        if event["level"] in self.levels:
            self.send_json({"event": event["event"], "data": event["data"]})
