"""Publishes from greenlets, beside queries of Django's ORM in the same thread."""

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
from django.db import transaction  # noqa: E402
from standing import set_up  # noqa: E402

set_up()

from django.db import connection  # noqa: E402

from channelgate import publish  # noqa: E402


def work(own):
    for number in range(25):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            publish("g", {"type": "note", "name": [own, number]})
    connection.close()


jobs = [gevent.spawn(work, own) for own in range(8)]
gevent.joinall(jobs, raise_error=True)
