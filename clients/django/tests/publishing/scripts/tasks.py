"""A Celery application: its worker publishes before it forks, and its tasks publish in transactions."""

import os

from celery import Celery
from celery.signals import worker_init
from django.db import transaction
from standing import set_up

set_up()

from channelgate import publish  # noqa: E402

app = Celery("tasks", broker=os.environ["PUBLISHING_BROKER"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False


@worker_init.connect
def before_the_fork(**_):
    publish("g", {"type": "note", "name": "worker"})


@app.task
def note(number):
    with transaction.atomic():
        publish("g", {"type": "note", "name": number})
