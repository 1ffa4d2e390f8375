"""Everything parking publishes.

Two generations of publishers live side by side, as they do in the project this one is modelled on: reservations name
the notification's type in `type` and use `user_<id>_notifications`; the newer ones send `send_notification` with a
`notification_type`, to `user_<id>` or to everyone.
"""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.utils import timezone

from parking.models import Notification, Reservation


def send_reservation_notification(reservation, notification_type, message, with_times=False):
    data = {"reservation_id": reservation.id, "parking_lot": reservation.parking_lot.name}
    if with_times:
        data["start_time"] = reservation.start_time.isoformat()
        data["end_time"] = reservation.end_time.isoformat()
    notification = Notification.objects.create(
        user=reservation.user, type=notification_type, message=message, data=data
    )
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)(
        f"user_{reservation.user_id}_notifications",
        {
            "type": notification_type,
            "message": message,
            "data": {
                **data,
                "notification_id": notification.id,
                "created_at": notification.created_at.isoformat(),
            },
        },
    )


def send_notification(notification):
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)(
        f"user_{notification.user_id}",
        {
            "type": "send_notification",
            "notification_type": notification.type,
            "message": notification.message,
            "data": {
                **notification.data,
                "notification_id": notification.id,
                "created_at": notification.created_at.isoformat(),
            },
        },
    )


def announce_parking_lot(lot):
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)(
        "notifications",
        {
            "type": "send_notification",
            "notification_type": "new_parking_lot",
            "message": f"New parking lot: {lot.name}",
            "data": {"parking_lot_id": lot.id, "parking_lot": lot.name, "capacity": lot.capacity},
        },
    )


def lot_changed(lot):
    """How full a lot is, for everyone."""
    occupied = lot.occupied
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)(
        "notifications",
        {
            "type": "send_notification",
            "notification_type": "parking_lot_changed",
            "message": f"{lot.name}: {occupied} of {lot.capacity} places are taken",
            "data": {
                "parking_lot_id": lot.id,
                "parking_lot": lot.name,
                "capacity": lot.capacity,
                "occupied": occupied,
            },
        },
    )


def expire_reservations():
    for reservation in Reservation.objects.filter(end_time__lt=timezone.now(), status=Reservation.Status.ACTIVE):
        reservation.status = Reservation.Status.EXPIRED
        reservation.save()


def remind_of(reservation):
    send_reservation_notification(
        reservation, "upcoming_reservation", "You have an upcoming reservation", with_times=True
    )
