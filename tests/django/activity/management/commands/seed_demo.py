import random

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from activity.scenes import attendance, lecture, parking, visitors, workshop


class Command(BaseCommand):
    help = "Fills an empty database with the beginning of the demonstration. What is there is kept."

    def handle(self, *args, **options):
        generator = random.Random(7)
        call_command("make_people")
        with transaction.atomic():
            # The students of the lecture park, too.
            for scene in (lecture, visitors, parking, attendance, workshop):
                scene.seed(generator)
