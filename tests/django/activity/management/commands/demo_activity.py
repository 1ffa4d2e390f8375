import logging
import random
import socket
import sys

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from activity.layer import sent
from activity.orders import Orders
from activity.pace import Pace, pause
from activity.scenes import attendance, lecture, parking, visitors, workshop

logger = logging.getLogger("activity")
SCENES = (visitors, parking, attendance, lecture, workshop)
#: Seconds at speed 1 before the first event.
FIRST = 0.2


class Command(BaseCommand):
    help = "Makes 1 to 3 events a second in all five systems, until it is ended."

    def add_arguments(self, parser):
        parser.add_argument("--orders", type=int, help="the number of an inherited socket with orders")
        parser.add_argument("--prepare", action="store_true", help="first create and fill the database")
        parser.add_argument("--speed", type=float, default=1.0, help="0.5 to 4")
        parser.add_argument("--paused", action="store_true")

    def handle(self, *, orders, prepare, speed, paused, **options):
        if prepare:
            call_command("migrate", verbosity=0)
            call_command("seed_demo")
        pace = Pace(speed, paused)
        if orders is not None:
            Orders(socket.socket(fileno=orders), pace).start()
        try:
            self.act(pace)
        except KeyboardInterrupt:
            sys.exit(0)

    def act(self, pace):
        generator = random.Random()
        turn = []
        seconds = FIRST
        while pace.wait(seconds):
            # Every system has its turn, in a new order each time.
            turn = turn or generator.sample(SCENES, len(SCENES))
            move = generator.choice(turn.pop().MOVES)
            before = sent.count
            try:
                move(generator)
            except Exception as error:
                # Redis is away, for instance: the event is on record with its error.
                logger.warning("%s failed: %s", move.__name__, error)
            finally:
                close_old_connections()
            seconds = pause(sent.count - before, generator)
