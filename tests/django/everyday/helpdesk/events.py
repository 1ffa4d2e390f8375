from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

QUEUE = "helpdesk.queue"


def ticket_group(pk):
    return f"helpdesk.ticket.{pk}"


def publish(group, kind, **data):
    async_to_sync(get_channel_layer().group_send)(group, {"type": kind, "data": data})


def ticket_saved(sender, instance, created, **kwargs):
    data = {"id": instance.pk, "subject": instance.subject, "state": instance.state}
    publish(QUEUE, "ticket.created" if created else "ticket.changed", **data)
    publish(ticket_group(instance.pk), "ticket.created" if created else "ticket.changed", **data)


def ticket_deleted(sender, instance, **kwargs):
    publish(QUEUE, "ticket.deleted", id=instance.pk)
    publish(ticket_group(instance.pk), "ticket.deleted", id=instance.pk)


def comment_saved(sender, instance, created, **kwargs):
    publish(
        ticket_group(instance.ticket_id),
        "comment.added",
        id=instance.pk,
        body=instance.body,
        author=instance.author.username,
        written_at=instance.written_at.isoformat(),
    )
