"""Makes the database: `python -m office.seed NUMBERS`. Credentials go into people.json beside it.

Each section has people of its own, so that scenarios may run side by side. Rows that are made later have large ids, by
which a comparison knows them.
"""

import datetime
import json
import os
import sys

import django

#: Carl is of the staff, Dora may do everything, and Ben is an editor.
NAMES = ("anna", "ben", "carl", "dora")
FIRST_ROW = 10_000_000


def people(numbers: int) -> dict:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY as BACKEND
    from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import Group
    from django.contrib.sessions.backends.db import SessionStore
    from rest_framework.authtoken.models import Token
    from rest_framework_simplejwt.tokens import AccessToken

    password = make_password("a password")
    User = get_user_model()
    names = [(number, name) for number in range(1, numbers + 1) for name in NAMES]
    User.objects.bulk_create(
        User(
            username=f"{name}{number:02}",
            first_name=name.title(),
            email=f"{name}{number:02}@example.org",
            password=password,
            is_staff=name in ("carl", "dora"),
            is_superuser=name == "dora",
        )
        for number, name in names
    )
    users = {user.username: user for user in User.objects.all()}
    editors = Group.objects.create(name="editors")
    editors.user_set.set(user for user in users.values() if user.username.startswith("ben"))
    everybody = {}
    for number, name in names:
        user = users[f"{name}{number:02}"]
        session = SessionStore(session_key=(user.username * 32)[:32])
        session.update(
            {
                SESSION_KEY: str(user.pk),
                BACKEND: settings.AUTHENTICATION_BACKENDS[0],
                HASH_SESSION_KEY: user.get_session_auth_hash(),
            }
        )
        session.save(must_create=True)
        token = Token.objects.create(user=user, key=(user.username * 40)[:40])
        access = AccessToken.for_user(user)
        access.set_exp(lifetime=datetime.timedelta(days=1))
        everybody.setdefault(number, {})[name] = {
            "id": user.pk,
            "name": user.username,
            "session": session.session_key,
            "token": token.key,
            "jwt": str(access),
        }
    return everybody


def large_ids() -> None:
    from django.apps import apps
    from django.db import connection

    with connection.cursor() as cursor:
        for model in apps.get_app_config("office").get_models():
            cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, %s)", [model._meta.db_table, FIRST_ROW])


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "office.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection, transaction

    call_command("migrate", run_syncdb=True, verbosity=0)
    with transaction.atomic():
        everybody = people(int(sys.argv[1]))
        large_ids()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = wal")
    (settings.RUN_DIR / "people.json").write_text(json.dumps(everybody))


if __name__ == "__main__":
    main()
