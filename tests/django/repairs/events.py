"""Events for browsers, which receive all keys of an event except its type, which is the event's name."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.utils import timezone


def text(moment):
    """In the format of JavaScript."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def send(group, event, **data):
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)(group, {"type": event, **data, "timestamp": text(timezone.now())})


def work_order_data(order):
    return {
        "id": order.id,
        "customer_name": order.customer_name,
        "device": order.device,
        "description": order.description,
        "status": order.status,
        "technician_id": order.technician_id,
        "technician_name": order.technician.get_full_name() if order.technician else None,
        "updated_at": text(order.updated_at),
    }


def work_order_updated(order, action, **data):
    """Every viewer of the order, then its technician, who may be looking elsewhere."""
    common = {"workOrderId": order.id, "action": action, "workOrder": work_order_data(order)}
    send(f"work_order_{order.id}", "work_order_updated", **common, data=data)
    if order.technician_id:
        send(f"user_{order.technician_id}", "work_order_assignment_update", **common)


def ticket_updated(ticket, action, **data):
    row = {"id": ticket.id, "title": ticket.title, "status": ticket.status, "updated_at": text(ticket.updated_at)}
    send(f"ticket_{ticket.id}", "repair_ticket_updated", ticketId=ticket.id, action=action, ticket=row, data=data)


def notification_received(notification):
    row = {
        "id": notification.id,
        "title": notification.title,
        "message": notification.message,
        "read": notification.read,
        "created_at": text(notification.created_at),
    }
    send(f"user_{notification.user_id}", "notification_received", notification=row)


def notification_count_updated(user_id):
    """Reports that the count has changed; the browser asks for it."""
    send(f"user_{user_id}", "notification_count_updated", userId=user_id)
