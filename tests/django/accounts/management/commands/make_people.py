from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand

PASSWORD = "demonstration"
#: Username, name and role.
PEOPLE = [
    ("ada", "Ada Admin", "admin"),
    ("mia", "Mia Manager", "manager"),
    ("moe", "Moe Moderator", "moderator"),
    ("tom", "Tom Technician", "technician"),
    ("tia", "Tia Technician", "technician"),
    ("ann", "Ann Archer", None),
    ("ben", "Ben Baker", None),
    ("cem", "Cem Cook", None),
]


class Command(BaseCommand):
    help = "Makes some users of every role, all with the same password, for a demonstration. Those who exist are kept."

    def handle(self, *args, **options):
        for username, name, role in PEOPLE:
            first, last = name.split()
            user, created = get_user_model().objects.get_or_create(
                username=username, defaults={"first_name": first, "last_name": last}
            )
            if not created:
                continue
            user.set_password(PASSWORD)
            user.save()
            if role:
                user.groups.add(Group.objects.get_or_create(name=role)[0])
