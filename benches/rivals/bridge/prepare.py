"""Creates the database, and a user with a session for each of the given number of clients: `session-<number>`."""

import datetime
import sys

import asgi  # noqa: F401  (sets Django up)
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

call_command("migrate", run_syncdb=True, verbosity=0)
User = get_user_model()
clients = range(int(sys.argv[1]))
# One hash for all: making one takes a tenth of a second, by design.
password = make_password("of a benchmark")
until = timezone.now() + datetime.timedelta(days=365)
with transaction.atomic():
    User.objects.bulk_create([User(username=f"client{number}", password=password) for number in clients])
    Session.objects.bulk_create(
        Session(
            session_key=f"session-{number}",
            expire_date=until,
            session_data=Session.get_session_store_class()().encode(
                {
                    SESSION_KEY: str(user.pk),
                    BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
                    HASH_SESSION_KEY: user.get_session_auth_hash(),
                }
            ),
        )
        for number, user in zip(clients, User.objects.order_by("id"), strict=True)
    )
# The last connection takes the write-ahead log into the file.
connection.close()
