"""What the REST API and the demonstration's activity do with work orders and notifications."""

from repairs import events
from repairs.models import Notification


def work_order_changed(order, changes, by):
    """Publishes up to three events: a new status, a new technician, then whatever else is new.

    `changes` has the old values of what has changed, `by` the id of the user who changed it.
    """
    changes = dict(changes)
    if "status" in changes:
        old = changes.pop("status")
        events.work_order_updated(order, "status_changed", oldStatus=old, newStatus=order.status, updatedBy=by)
    if "technician" in changes:
        del changes["technician"]
        events.work_order_updated(order, "assigned", technicianId=order.technician_id, assignedBy=by)
    if changes:
        events.work_order_updated(order, "updated", updatedFields=list(changes), updatedBy=by)


def change_work_order(order, by, **values):
    """Saves new values of a work order, and publishes what has changed."""
    changes = {name: getattr(order, name) for name, value in values.items() if getattr(order, name) != value}
    for name in changes:
        setattr(order, name, values[name])
    order.save()
    work_order_changed(order, changes, by)


def notify(notification):
    """Publishes a new notification to its user."""
    events.notification_received(notification)
    events.notification_count_updated(notification.user_id)


def make_notification(user, title, message):
    notify(Notification.objects.create(user=user, title=title, message=message))
