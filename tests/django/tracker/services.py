"""Attendance of sessions, as browsers (`actions.py`), the REST API and the demonstration's activity use it."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model
from django.db.models import Q

from tracker.models import Attendance

#: The role of those who are expected in a session.
STUDENT = "student"


def mark(session, user, location=None, status=Attendance.Status.PRESENT):
    """The record of a user's attendance, and whether it is new: a second mark keeps the first record."""
    defaults = {"location": location, "status": status}
    return Attendance.objects.get_or_create(session=session, user=user, defaults=defaults)


def send(session, event, data):
    """Any event for everyone in the session's room."""
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)(
        f"session.{session.id}", {"type": "session_event", "event": event, "data": data}
    )


def announce(attendance):
    """One user's attendance, and the figures of the session."""
    user = attendance.user
    send(
        attendance.session,
        "attendanceUpdate",
        {
            "userId": user.id,
            "userName": user.get_full_name() or user.get_username(),
            "status": attendance.status,
            "checkInTime": attendance.check_in_time.isoformat(),
            "sessionId": attendance.session_id,
        },
    )
    send(attendance.session, "session-stats-update", stats(attendance.session))


def stats(session):
    attending = session.attendances.exclude(status=Attendance.Status.ABSENT).count()
    filled = 100 * attending / session.capacity if session.capacity else 0
    return {
        "sessionId": session.id,
        "totalAttendees": attending,
        "capacity": session.capacity,
        "percentageFilled": f"{filled:.1f}",
    }


def roster(session):
    """Every student, and everyone else who has attended, with what is known of their attendance."""
    marks = {attendance.user_id: attendance for attendance in session.attendances.all()}
    expected = Q(groups__name=STUDENT) | Q(session_attendances__session=session)
    users = get_user_model().objects.filter(expected).distinct().order_by("id")
    return [
        {
            "userId": user.id,
            "userName": user.get_full_name() or user.get_username(),
            "status": marks[user.id].status if user.id in marks else None,
            "checkInTime": marks[user.id].check_in_time.isoformat() if user.id in marks else None,
        }
        for user in users
    ]
