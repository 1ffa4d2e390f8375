import json

from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer

from .models import Parcel


class ParcelConsumer(WebsocketConsumer):
    """Anybody with the tracking number may look; the courier moves it."""

    def connect(self):
        try:
            self.parcel = Parcel.objects.get(tracking=self.scope["url_route"]["kwargs"]["tracking"])
        except Parcel.DoesNotExist:
            self.close(code=4004)
            return
        async_to_sync(self.channel_layer.group_add)(self.parcel.group_name, self.channel_name)
        self.accept()
        self.send(json.dumps({"type": "state", "state": self.parcel.state, "at": [self.parcel.lat, self.parcel.lng]}))

    def disconnect(self, code):
        if hasattr(self, "parcel"):
            async_to_sync(self.channel_layer.group_discard)(self.parcel.group_name, self.channel_name)

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "ping":
            self.send("pong")
            return
        try:
            data = json.loads(text_data or bytes_data)
        except ValueError:
            self.send(json.dumps({"type": "error", "error": "not JSON"}))
            return
        if self.scope["user"].pk != self.parcel.courier_id:
            self.send(json.dumps({"type": "error", "error": "only the courier moves a parcel"}))
            return
        self.parcel.lat, self.parcel.lng = data["lat"], data["lng"]
        self.parcel.save(update_fields=["lat", "lng"])
        async_to_sync(self.channel_layer.group_send)(
            self.parcel.group_name, {"type": "location", "lat": data["lat"], "lng": data["lng"]}
        )

    def location(self, event):
        self.send(json.dumps({"type": "location", "at": [event["lat"], event["lng"]]}))

    def parcel_state(self, event):
        self.send(text_data=event["text"])

    def parcel_gone(self, event):
        self.send(json.dumps({"type": "gone"}))
