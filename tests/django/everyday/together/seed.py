"""Makes the database, people with their sessions and tokens, and a few rows: `python -m together.seed`."""

import datetime
import json
import os

import django

SESSIONS = 3
STAFF = {"is_staff": True}
PEOPLE = {"anna": {}, "ben": {}, "carl": STAFF, "dora": {**STAFF, "is_superuser": True}, "eva": STAFF}


def session(user):
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return store


def person(name, **rights):
    from django.contrib.auth.models import User
    from rest_framework_simplejwt.tokens import AccessToken

    user = User.objects.create_user(name, f"{name}@example.org", "a password", **rights)
    access = AccessToken.for_user(user)
    access.set_exp(lifetime=datetime.timedelta(days=1))
    # A logout ends one session: each project has some of its own.
    sessions = {}
    for project in ("orders", "notifications", "chat", "feed", "helpdesk", "delivery", "polls"):
        sessions[project] = [session(user).session_key for _ in range(SESSIONS)]
    return user, {"id": user.pk, "jwt": str(access), "sessions": sessions}


def rows(user):
    from delivery.models import Parcel
    from helpdesk.models import Ticket
    from orders.models import Order
    from polls.models import Choice, Poll
    from presence.models import Space
    from teams.models import Team

    made = {
        "order": Order.objects.create(customer=user["anna"], total="12.50").pk,
        "ticket": Ticket.objects.create(reporter=user["anna"], subject="Printer").pk,
    }
    parcel = Parcel.objects.create(courier=user["ben"])
    made |= {"parcel": parcel.pk, "tracking": str(parcel.tracking)}
    Space.objects.create(slug="lobby", topic="Hello")
    for name in ("red", "blue"):
        team = Team.objects.create(name=name)
        team.members.add(user["anna"], *([user["ben"]] if name == "red" else []))
        made[name] = team.pk
    poll = Poll.objects.create(slug="lunch", question="Where?")
    made["choice"] = Choice.objects.create(poll=poll, text="Pizza").pk
    return made


def spread_ids():
    """Rows that are made from now on have ids of their own: those of two tables are never the same."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
        for place, (table,) in enumerate(sorted(cursor.fetchall()), start=1):
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, %s)", [table, place * 1000])


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "together.settings")
    django.setup()
    from channels.layers import InMemoryChannelLayer, channel_layers
    from django.conf import settings
    from django.core.management import call_command

    # Signals publish; nobody is there to hear of these rows.
    channel_layers.set("default", InMemoryChannelLayer())
    call_command("migrate", run_syncdb=True, verbosity=0)
    users, people = {}, {}
    for name, rights in PEOPLE.items():
        users[name], people[name] = person(name, **rights)
    found = {"people": people, "rows": rows(users)}
    spread_ids()
    (settings.BASE_DIR / "people.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
