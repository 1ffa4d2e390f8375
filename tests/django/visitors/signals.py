from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from visitors.broadcast import send_group_event
from visitors.models import Client, ClientVisit


@receiver(post_save, sender=Client)
def client_saved(instance, created, **kwargs):
    send_group_event(
        "client_create" if created else "client_update",
        {
            "id": instance.id,
            "first_seen": instance.first_seen.isoformat(),
            "last_seen": instance.last_seen.isoformat(),
            "visit_count": instance.visit_count,
            "gender": instance.gender,
            "age": instance.age,
            "image": instance.image.url,
            "visit_histories": [
                {"datetime": visit.datetime.isoformat(), "device_id": visit.device_id}
                for visit in instance.visit_histories.order_by("datetime")
            ],
        },
    )


@receiver(post_delete, sender=Client)
def client_deleted(instance, **kwargs):
    send_group_event("client_delete", {"id": instance.id})


def visit_data(visit):
    return {"datetime": visit.datetime.isoformat(), "device_id": visit.device_id, "client": visit.client_id}


@receiver(post_save, sender=ClientVisit)
def visit_saved(instance, created, **kwargs):
    send_group_event("client_visit_create" if created else "client_visit_update", visit_data(instance))


@receiver(post_delete, sender=ClientVisit)
def visit_deleted(instance, **kwargs):
    send_group_event("client_visit_delete", visit_data(instance))
