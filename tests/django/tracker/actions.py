from channelgate import Refused, action
from django.contrib.auth import get_user_model
from django.db.models import Count

from tracker import services
from tracker.models import Attendance, Session


def session_id_of(data):
    """The id that a client sent, as a number or as text, alone or in an object."""
    value = data.get("sessionId") if isinstance(data, dict) else data
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Refused(400, "A session's id is wanted")
    try:
        return int(value)
    except ValueError:
        raise Refused(400, "A session's id is wanted") from None


def attendance_data(attendance):
    return {
        "id": attendance.id,
        "sessionId": attendance.session_id,
        "userId": attendance.user_id,
        "status": attendance.status,
        "checkInTime": attendance.check_in_time,
        "location": attendance.location,
    }


@action("markAttendance")
def mark_attendance(call):
    """A second mark keeps the first record, so the call can be repeated safely."""
    session = Session.objects.filter(pk=session_id_of(call.data)).first()
    if session is None:
        raise Refused(404, "Unknown session")
    if session.status != Session.Status.ACTIVE:
        raise Refused(409, "The session is not active")
    user = get_user_model().objects.filter(pk=(call.user or {}).get("id")).first()
    if user is None:
        raise Refused(403, "Unknown user")
    location = call.data.get("location") if isinstance(call.data, dict) else None
    attendance, created = services.mark(session, user, location)
    return {"attendance": attendance_data(attendance), "created": created}


@action("getAttendanceStats")
def get_attendance_stats(call):
    attendances = Attendance.objects.filter(session_id=session_id_of(call.data))
    counts = attendances.values("status").annotate(count=Count("id")).order_by("status")
    return {"stats": list(counts)}
