from django.db.models.signals import post_save
from django.dispatch import receiver

from parking import services
from parking.models import ParkingLot, Reservation

MESSAGES = {
    Reservation.Status.EXPIRED: ("reservation_expired", "Your reservation has expired"),
    Reservation.Status.CANCELLED: ("reservation_cancelled", "Your reservation has been cancelled"),
}


@receiver(post_save, sender=ParkingLot)
def parking_lot_saved(instance, created, **kwargs):
    if created:
        services.announce_parking_lot(instance)


@receiver(post_save, sender=Reservation)
def reservation_saved(instance, created, **kwargs):
    if created:
        services.send_reservation_notification(instance, "new_reservation", "New reservation created", with_times=True)
    elif instance.status in MESSAGES:
        services.send_reservation_notification(instance, *MESSAGES[instance.status])
    else:
        return
    services.lot_changed(instance.parking_lot)
