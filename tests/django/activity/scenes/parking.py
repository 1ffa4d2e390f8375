"""Parking: six lots that fill and empty; some of the reservations are those of the people of the demonstration."""

import math
import time
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.utils import timezone

from activity.bounds import keep_newest
from parking.models import Notification, ParkingLot, Reservation
from parking.services import expire_reservations, lot_changed, remind_of

#: Lots with their places, and how many are taken at first.
LOTS = [
    ("Harbour Street", 24, 15),
    ("Old Market", 12, 10),
    ("Central Station", 40, 22),
    ("Museum Quarter", 16, 5),
    ("River Park", 20, 17),
    ("University", 30, 11),
]
#: Finished reservations and notifications that are kept.
FINISHED, NOTIFICATIONS = 100, 100
#: Those who open pages; others only fill the lots.
PEOPLE = ("ann", "mia", "moe", "tia", "tom")


def seed(random):
    if ParkingLot.objects.exists():
        return
    now = timezone.now()
    drivers = list(get_user_model().objects.filter(groups__name="student"))
    lots = ParkingLot.objects.bulk_create(ParkingLot(name=name, capacity=places) for name, places, _ in LOTS)
    Reservation.objects.bulk_create(
        Reservation(
            user=random.choice(drivers),
            parking_lot=lot,
            start_time=now - timedelta(minutes=random.randrange(5, 120)),
            end_time=now + timedelta(hours=random.randint(2, 8)),
        )
        for lot, (_, _, taken) in zip(lots, LOTS, strict=True)
        for _ in range(taken)
    )


def surplus(lot):
    """How much fuller a lot is than it should be now: each fills and empties in its own time."""
    wanted = 0.55 + 0.42 * math.sin(time.time() / 200 + 1.7 * lot.id)
    return lot.occupied / lot.capacity - wanted


def reservation_is_made(random):
    free = [lot for lot in ParkingLot.objects.all() if lot.occupied < lot.capacity]
    if not free:
        reservation_ends(random)
        return
    # Beside one of a person of the demonstration stand two of other drivers.
    users = get_user_model().objects.filter(username__in=PEOPLE)
    if random.random() < 0.66:
        users = get_user_model().objects.filter(groups__name="student")
    now = timezone.now()
    Reservation.objects.create(
        user=random.choice(list(users)),
        parking_lot=min(random.sample(free, min(3, len(free))), key=surplus),
        start_time=now,
        end_time=now + timedelta(hours=random.randint(1, 6)),
    )
    keep_newest(Notification.objects.all(), NOTIFICATIONS)


def reservation_ends(random):
    """By its time, or because it is cancelled."""
    active = list(Reservation.objects.filter(status=Reservation.Status.ACTIVE).select_related("parking_lot"))
    if not active:
        return
    lots = {reservation.parking_lot for reservation in active}
    lot = max(random.sample(sorted(lots, key=lambda lot: lot.id), min(3, len(lots))), key=surplus)
    reservation = random.choice([one for one in active if one.parking_lot == lot])
    if random.random() < 0.25:
        reservation.status = Reservation.Status.CANCELLED
        reservation.save()
    else:
        Reservation.objects.filter(pk=reservation.pk).update(end_time=timezone.now() - timedelta(seconds=1))
        expire_reservations()
    keep_newest(Reservation.objects.exclude(status=Reservation.Status.ACTIVE), FINISHED)
    keep_newest(Notification.objects.all(), NOTIFICATIONS)


def owner_is_reminded(random):
    mine = list(Reservation.objects.filter(status=Reservation.Status.ACTIVE, user__username__in=PEOPLE))
    if mine:
        remind_of(random.choice(mine))
    else:
        reservation_is_made(random)


def touch(random):
    lot_changed(random.choice(list(ParkingLot.objects.all())))


MOVES = [reservation_is_made, reservation_is_made, reservation_ends, reservation_ends, owner_is_reminded]
