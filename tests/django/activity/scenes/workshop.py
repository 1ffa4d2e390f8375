"""The repair shop: nine work orders that move through three columns, and notifications to technicians."""

from django.contrib.auth import get_user_model

from activity.bounds import keep_newest
from repairs.models import Notification, WorkOrder
from repairs.services import change_work_order, make_notification

NOTIFICATIONS = 60
PENDING, IN_PROGRESS, COMPLETED = WorkOrder.Status.PENDING, WorkOrder.Status.IN_PROGRESS, WorkOrder.Status.COMPLETED
#: Customer, device and what is wrong; the first nine are there at first.
JOBS = [
    ("Chen Wei", "ThinkPad X1", "Does not charge"),
    ("Nora Lind", "Pixel 8", "Cracked screen"),
    ("Ivan Petrov", "Espresso machine", "Leaks at the pump"),
    ("Julia Costa", "iPad Air", "Battery swells"),
    ("Sam Adeyemi", "Road bike", "Gears slip"),
    ("Lena Vogel", "Turntable", "Motor hums"),
    ("Marco Bianchi", "Drone", "One rotor is stiff"),
    ("Aiko Tanaka", "Film camera", "Shutter sticks"),
    ("Pedro Alves", "Record player", "Left channel is silent"),
    ("Sara Nilsson", "Synthesizer", "Two keys are dead"),
    ("Jamal Reed", "E-scooter", "Brake squeals"),
    ("Elena Popa", "Projector", "Lamp flickers"),
    ("Oskar Maier", "Laptop stand", "Hinge is loose"),
    ("Ruth Cohen", "Headphones", "Cable is torn"),
]
AT_FIRST = [PENDING, PENDING, PENDING, PENDING, IN_PROGRESS, IN_PROGRESS, IN_PROGRESS, COMPLETED, COMPLETED]


def people(*names):
    users = {user.username: user for user in get_user_model().objects.filter(username__in=names)}
    return [users[name] for name in names]


def seed(random):
    if not WorkOrder.objects.exists():
        technicians = people("tia", "tom")
        WorkOrder.objects.bulk_create(
            WorkOrder(
                customer_name=customer,
                device=device,
                description=fault,
                status=status,
                technician=None if number < 2 else technicians[number % 2],
            )
            for number, (status, (customer, device, fault)) in enumerate(zip(AT_FIRST, JOBS, strict=False))
        )
    if not Notification.objects.exists():
        (tia,) = people("tia")
        Notification.objects.create(user=tia, title="Welcome back", message="Four work orders wait for a technician.")


def work_order_moves(random):
    tia, tom, mia = people("tia", "tom", "mia")
    orders = list(WorkOrder.objects.select_related("technician"))
    if not orders:
        return
    number = {status: sum(order.status == status for order in orders) for status in WorkOrder.Status}
    # From a column that has most, so that none runs empty.
    order = max(random.sample(orders, min(4, len(orders))), key=lambda one: number[one.status])
    if order.status == PENDING and order.technician is None:
        technician = random.choice([tia, tia, tom])
        change_work_order(order, mia.id, technician=technician)
        make_notification(technician, "A new work order", f"{order.device} of {order.customer_name}")
    elif order.status == PENDING:
        change_work_order(order, order.technician_id, status=IN_PROGRESS)
    elif order.status == IN_PROGRESS:
        change_work_order(order, order.technician_id or mia.id, status=COMPLETED)
    else:
        # It was collected. The next customer's takes its place, so there are never more.
        shown = {one.customer_name for one in orders}
        customer, device, fault = random.choice([job for job in JOBS if job[0] not in shown])
        change_work_order(
            order,
            mia.id,
            status=PENDING,
            technician=None,
            customer_name=customer,
            device=device,
            description=fault,
        )
    keep_newest(Notification.objects.all(), NOTIFICATIONS)


def technician_is_notified(random):
    (tia,) = people("tia")
    order = WorkOrder.objects.filter(technician=tia).order_by("?").first()
    if order is None:
        work_order_moves(random)
        return
    title, message = random.choice(
        [
            ("A part has come", f"For {order.device}: on the shelf"),
            ("The customer asks", f"{order.customer_name}: is my {order.device} ready?"),
        ]
    )
    make_notification(tia, title, message)
    keep_newest(Notification.objects.all(), NOTIFICATIONS)


MOVES = [work_order_moves, work_order_moves, work_order_moves, technician_is_notified]
