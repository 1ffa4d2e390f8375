"""The tracker: one session, whose students come, some of them late, and leave."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.utils import timezone

from tracker import services
from tracker.models import Attendance, Session

TITLE, SEATS, AT_FIRST = "Distributed systems, lecture 7", 28, 9
STUDENTS = [
    "Ada Berg", "Ben Castro", "Carla Dahl", "Dario Engel", "Edda Falk", "Finn Garcia", "Greta Holm", "Hugo Ivers",
    "Ines Jansen", "Jonas Klein", "Kira Lange", "Leo Marin", "Mara Nagel", "Nils Otto", "Olga Peters", "Paul Quist",
    "Rosa Roth", "Samir Sohn", "Tessa Thal", "Uma Ulrich", "Viktor Voss", "Wanda Winter", "Yara Young", "Zeno Zorn",
    "Alma Arndt", "Boris Blum",
]  # fmt: skip


def seed(random):
    group, _ = Group.objects.get_or_create(name=services.STUDENT)
    if not group.user_set.exists():
        users = get_user_model().objects.bulk_create(
            # They cannot log in.
            get_user_model()(username=f"student{number:02}", password="!", first_name=first, last_name=last)
            for number, (first, last) in enumerate((name.split() for name in STUDENTS), 1)
        )
        group.user_set.add(*users)
    if not Session.objects.exists():
        session = Session.objects.create(title=TITLE, capacity=SEATS)
        came = random.sample(list(group.user_set.all()), AT_FIRST)
        Attendance.objects.bulk_create(Attendance(session=session, user=user) for user in came)


def student_marks_attendance(random):
    """One who is not there comes; if most are there, one leaves."""
    session = Session.objects.filter(status=Session.Status.ACTIVE).order_by("id").first()
    if session is None:
        # The moderator has closed it.
        return
    students = get_user_model().objects.filter(groups__name=services.STUDENT)
    there = session.attendances.filter(user__in=students).exclude(status=Attendance.Status.ABSENT)
    away = students.exclude(id__in=there.values("user_id"))
    if there.count() > len(STUDENTS) - 5 or (there.count() > AT_FIRST and random.random() < 0.25):
        attendance = random.choice(list(there))
        attendance.status = Attendance.Status.ABSENT
    else:
        status = Attendance.Status.LATE if random.random() < 0.2 else Attendance.Status.PRESENT
        user = random.choice(list(away))
        attendance, _ = services.mark(session, user, status=status)
        attendance.status, attendance.check_in_time = status, timezone.now()
    attendance.save()
    services.announce(attendance)


MOVES = [student_marks_attendance]
