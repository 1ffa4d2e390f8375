"""The feed: visitors whom cameras count, and employees at the door."""

from datetime import timedelta

from django.utils import timezone

from activity.bounds import keep_newest
from staff.models import Employee, EmployeeAttendance
from visitors.models import Client, ClientVisit
from visitors.services import count_visit

#: How many visitors there are at first, and at least and at most later.
AT_FIRST, LEAST, MOST = 12, 9, 18
VISITS, AT_THE_DOOR = 6, 40
CAMERAS = 4
EMPLOYEES = [
    ("Amara", "Okafor"),
    ("Bastian", "Lindqvist"),
    ("Chiara", "Moretti"),
    ("Devika", "Rao"),
    ("Emil", "Novak"),
    ("Farah", "Haddad"),
]


def seed(random):
    now = timezone.now()
    if not Client.objects.exists():
        # In bulk, because nobody is connected yet: no signal, so no event.
        clients = Client.objects.bulk_create(
            Client(
                first_seen=now - timedelta(minutes=240 - 18 * number),
                last_seen=now - timedelta(minutes=random.randrange(2, 20)),
                visit_count=random.choice([1, 1, 2, 2, 3]),
                **person(random),
            )
            for number in range(AT_FIRST)
        )
        ClientVisit.objects.bulk_create(
            ClientVisit(
                client=client,
                datetime=client.first_seen + timedelta(minutes=7 * number),
                device_id=random.randint(1, CAMERAS),
            )
            for client in clients
            for number in range(client.visit_count)
        )
    if not Employee.objects.exists():
        Employee.objects.bulk_create(
            Employee(
                first_name=first,
                last_name=last,
                email=f"{first.lower()}@example.com",
                phone_number=f"+49 30 5550{number:03}",
                image=f"employees/{first.lower()}.png",
            )
            for number, (first, last) in enumerate(EMPLOYEES, 101)
        )
        EmployeeAttendance.objects.bulk_create(
            at_the_door(employee, random, now - timedelta(minutes=random.randrange(30, 200)))
            for employee in Employee.objects.all()
        )


def person(random):
    number = random.randrange(1000)
    gender = random.choice([Client.Gender.FEMALE, Client.Gender.MALE])
    return {"gender": gender, "age": random.randint(18, 72), "image": f"clients/{number:03}.png"}


def at_the_door(employee, random, moment):
    return EmployeeAttendance(
        employee=employee,
        device_id=random.randint(1, CAMERAS),
        image=f"employees/attendances/{employee.id}.png",
        datetime=moment,
        score=round(random.uniform(0.91, 0.995), 3),
    )


def visitor_comes(random):
    number = Client.objects.count()
    if number < LEAST or (number < MOST and random.random() < 0.6):
        now = timezone.now()
        Client.objects.create(first_seen=now, last_seen=now, **person(random))
        return
    # The one that was seen least lately has left.
    client = Client.objects.order_by("last_seen").first()
    visits = client.visit_histories.all()
    visits._raw_delete(visits.db)
    client.delete()


def visit_is_counted(random):
    client = random.choice(list(Client.objects.all()))
    client.last_seen = timezone.now()
    visit = ClientVisit(client=client, datetime=client.last_seen, device_id=random.randint(1, CAMERAS))
    count_visit(client, visit.save)
    keep_newest(client.visit_histories.all(), VISITS)


def employee_at_the_door(random):
    at_the_door(random.choice(list(Employee.objects.all())), random, timezone.now()).save()
    keep_newest(EmployeeAttendance.objects.all(), AT_THE_DOOR)


def touch(random):
    """One event, for a burst."""
    client = random.choice(list(Client.objects.all()))
    client.visit_count += 1
    client.last_seen = timezone.now()
    client.save()


MOVES = [visitor_comes, visit_is_counted, visit_is_counted, employee_at_the_door]
