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
#: Who comes later after the start of the day is late.
GRACE = timedelta(minutes=20)


def start_of_day():
    """Some hours ago, but today."""
    now = timezone.now()
    return max(now - timedelta(hours=5), now.replace(hour=0, minute=0, second=0, microsecond=0))


def new(number, moment, random):
    """The first check-in of an employee today."""
    return Attendance(
        user_name=NAMES[number],
        employee_id=f"EMP{number + 1:03}",
        office=OFFICES[number % len(OFFICES)],
        device=random.choice(DEVICES),
        date=moment.date(),
        check_in_time=moment,
        status="late" if moment > start_of_day() + GRACE else "present",
    )


def seed(random):
    if Attendance.objects.exists():
        return
    now, start = timezone.now(), start_of_day()
    # Most come within the grace, two of three who do not are a little late; just after midnight the day is short.
    minutes = [3, 6, 8, 9, 11, 12, 14, 16, 18, 27, 41, 63]
    scale = min(1.0, (now - start) / timedelta(minutes=70))
    for number, minute in enumerate(minutes):
        row = new(number, start + timedelta(minutes=minute) * scale, random)
        if minute in (6, 11):
            row.check_out_time = now - timedelta(minutes=25) * scale
        Attendance.objects.bulk_create([row])


def comes_or_goes(random):
    number = random.randrange(len(NAMES))
    now = timezone.now()
    row = Attendance.objects.filter(employee_id=f"EMP{number + 1:03}").first()
    if row is None:
        new(number, now, random).save()
        return
    if row.check_out_time is None:
        row.check_out_time = now
    else:
        # Back from a break: the first check-in of the day stays.
        row.check_out_time = None
        row.device = random.choice(DEVICES)
    if row.date != now.date():
        row.date, row.check_in_time, row.check_out_time, row.status = now.date(), now, None, "present"
    row.save()


def touch(random):
    random.choice(list(Attendance.objects.all())).save()


MOVES = [comes_or_goes]
