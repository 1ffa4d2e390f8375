"""Makes the database: `python -m corpus.seed`. Everybody's credentials go into people.json beside it.

Rows that scenarios make have ids above a million, another million for each table, so that a comparison can tell them
from the rows made here and from each other.
"""

import datetime
import json
import os
import uuid

import django


def people() -> dict:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY as BACKEND
    from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.auth.models import Group
    from django.contrib.sessions.backends.db import SessionStore
    from rest_framework.authtoken.models import Token
    from rest_framework_simplejwt.tokens import AccessToken

    everybody = {}
    for name in ("anna", "ben", "carl", "dora", "eva", "sam", "lena", "nora"):
        user = get_user_model().objects.create_user(
            name, f"{name}@example.org", f"{name}s password", first_name=name.title(), last_name="Müller"
        )
        user.is_staff = name in ("carl", "dora")
        user.is_superuser = name == "dora"
        user.save()
        session = SessionStore(session_key=(name * 32)[:32])
        session.update(
            {
                SESSION_KEY: str(user.pk),
                BACKEND: settings.AUTHENTICATION_BACKENDS[0],
                HASH_SESSION_KEY: user.get_session_auth_hash(),
                "cart": ["apple"],
            }
        )
        session.save(must_create=True)
        token = Token.objects.create(user=user, key=(name * 40)[:40])
        access = AccessToken.for_user(user)
        access.set_exp(lifetime=datetime.timedelta(days=1))
        access["role"] = "staff" if user.is_staff else "user"
        everybody[name] = {"id": user.pk, "session": session.session_key, "token": token.key, "jwt": str(access)}
    Group.objects.create(name="editors").user_set.add(get_user_model().objects.get(username="ben"))
    return everybody


def rows() -> None:
    from django.contrib.auth import get_user_model

    from corpus.chat.models import Message, Room, Thread, ThreadMessage
    from corpus.identity.models import Device, Tenant
    from corpus.notify.models import Notification, Order
    from corpus.packaged.models import Project, Todo
    from corpus.states.models import Company, Employee, Task

    user = {user.username: user for user in get_user_model().objects.all()}
    for name in ("garden", "kitchen", "attic", "cellar", "moderated", "actions", "history"):
        room = Room.objects.create(name=name, title=name.title(), private=name == "cellar")
        room.members.add(user["anna"], user["ben"])
    for number in range(7):
        Message.objects.create(room=Room.objects.get(name="history"), author=user["ben"], content=f"line {number}")
    for number in range(12):
        Message.objects.create(room=Room.objects.get(name="garden"), author=user["anna"], content=f"old {number}")
    thread = Thread.objects.create(first=user["anna"], second=user["ben"])
    ThreadMessage.objects.create(thread=thread, sender=user["ben"], body="seen?")
    Notification.objects.bulk_create(Notification(recipient=user["anna"], text=f"old {n}") for n in range(3))
    Order.objects.create(customer=user["anna"], total="12.50")
    Order.objects.create(customer=user["ben"], total="7.00")
    Tenant.objects.create(schema="acme", host="acme.localhost")
    Tenant.objects.create(schema="blue", host="blue.localhost")
    Device.objects.create(owner=user["eva"], secret="a-device's-secret")
    company = Company.objects.create(name="Reyes & Søn")
    Employee.objects.create(
        user=user["ben"],
        company=company,
        salary="1234.50",
        hired=datetime.date(2024, 2, 29),
        tags=["night", {"level": 3}],
        badge=uuid.UUID(int=77),
    )
    Task.objects.bulk_create(Task(company=company, title=title) for title in ("sweep", "mop"))
    project = Project.objects.create(name="library one", owner=user["anna"])
    Todo.objects.bulk_create(Todo(project=project, title=title) for title in ("read", "write"))
    feed = Project.objects.create(name="feed", owner=user["ben"])
    Todo.objects.create(project=feed, title="write")


def spread_ids() -> None:
    from django.apps import apps
    from django.db import connection

    models = sorted(apps.get_models(include_auto_created=True), key=lambda model: model._meta.label)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
        numbered = {name for (name,) in cursor.fetchall()}
        for place, model in enumerate(models, start=1):
            table = model._meta.db_table
            if table in numbered:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, %s)", [table, place * 1_000_000])


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "corpus.settings")
    # Signals publish; there is nobody to hear of these rows.
    os.environ["LAYER"] = "none"
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    everybody = people()
    rows()
    spread_ids()
    (settings.RUN_DIR / "people.json").write_text(json.dumps(everybody))


if __name__ == "__main__":
    main()
