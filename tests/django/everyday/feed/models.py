from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import models


class Entry(models.Model):
    """What somebody did in the back office."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="entries")
    text = models.CharField(max_length=200)
    level = models.CharField(max_length=10, default="info")
    changed_at = models.DateTimeField(auto_now=True)

    def save(self, *args, **kwargs):
        verb = "entry_created" if self._state.adding else "entry_changed"
        super().save(*args, **kwargs)
        self.publish(verb)

    def delete(self, *args, **kwargs):
        pk = self.pk
        result = super().delete(*args, **kwargs)
        self.pk = pk
        self.publish("entry_deleted")
        return result

    def publish(self, event):
        async_to_sync(get_channel_layer().group_send)(
            "staff_feed",
            {
                "type": "send_event",
                "event": event,
                "level": self.level,
                "data": {"id": self.pk, "text": self.text, "at": self.changed_at.isoformat()},
            },
        )
