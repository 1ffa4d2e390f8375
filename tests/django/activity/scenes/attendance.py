"""The manager's dashboard: employees who check in, some of them late, and out."""

from datetime import timedelta

from django.utils import timezone

from attendance.models import Attendance

NAMES = [
    "Meera Joshi",
    "Lukas Brandt",
    "Sofia Almeida",
    "Kenji Watanabe",
    "Aisha Bello",
    "Tomasz Zielinski",
    "Ingrid Solberg",
    "Rafael Ortega",
    "Priya Nair",
    "Hannah Weiss",
    "Omar Farouk",
    "Elif Demir",
    "Noah Fischer",
    "Lucia Romano",
]
#: The last two come while the demonstration runs.
AT_FIRST = 12
OFFICES = ("Berlin", "Lisbon", "Thane")
DEVICES = ("Front desk", "North gate", "Garage")
#: Minutes after the start of the day at which they come; who comes after the grace is late.
MINUTES, GRACE = (2, 9, 14, 21, 27, 33, 40, 46, 54, 68, 91, 127), timedelta(minutes=60)
#: Who has left already, by these minutes; and how many are there at least.
LEFT, LEAST = (9, 14), 8


def start_of_day():
    """Some hours ago, but today."""
    now = timezone.now()
    return max(now - timedelta(hours=3), now.replace(hour=0, minute=0, second=0, microsecond=0))


def id_of(number):
    return f"EMP{number + 1:03}"


def new(number, moment, random):
    return Attendance(
        user_name=NAMES[number],
        employee_id=id_of(number),
        office=OFFICES[number % len(OFFICES)],
        device=random.choice(DEVICES),
        date=moment.date(),
        check_in_time=moment,
    )


def first_check_in(number, now, random):
    """Of today: in the row of the day before, if there is one, so there are never more rows than employees."""
    row = new(number, now, random)
    row.status = "late" if now > start_of_day() + GRACE else "present"
    if former := Attendance.objects.filter(employee_id=row.employee_id).first():
        row.id, row.created_at, row._state.adding = former.id, former.created_at, False
    return row


def seed(random):
    if Attendance.objects.exists():
        return
    now, start = timezone.now(), start_of_day()
    # Just after midnight the day is short.
    scale = min(1.0, (now - start) / timedelta(minutes=140))
    rows = [new(number, start + timedelta(minutes=minute) * scale, random) for number, minute in enumerate(MINUTES)]
    for row, minute in zip(rows, MINUTES, strict=True):
        row.status = "late" if timedelta(minutes=minute) > GRACE else "present"
        row.check_out_time = now - timedelta(minutes=25) * scale if minute in LEFT else None
    Attendance.objects.bulk_create(rows)


def comes_or_goes(random):
    now = timezone.now()
    rows = list(Attendance.objects.filter(date=now.date()))
    there = [row for row in rows if row.check_out_time is None]
    away = [row for row in rows if row.check_out_time is not None]
    if len(rows) < len(NAMES) and random.random() < 0.15:
        known = {row.employee_id for row in rows}
        number = next(number for number in range(len(NAMES)) if id_of(number) not in known)
        first_check_in(number, now, random).save()
    elif away and (len(there) < LEAST or random.random() < 0.5):
        # Back from a break: the first check-in of the day stays.
        row = random.choice(away)
        row.check_out_time, row.device = None, random.choice(DEVICES)
        row.save()
    elif there:
        row = random.choice(there)
        row.check_out_time = now
        row.save()


def touch(random):
    random.choice(list(Attendance.objects.all())).save()


MOVES = [comes_or_goes]
