"""The projects whose users log in by session: who visits, what is sent, and what happens meanwhile."""

from .visits import Change, Project, Visit, say

SESSIONS = (
    Project(
        "orders",
        "session",
        (
            Visit(
                "anna",
                "/ws/orders/{order}/",
                (
                    say(1, type="ping"),
                    say(1, type="refresh"),
                    say(0, type="unknown"),
                    {"text": "{", "closes": True},
                    {"reconnect": True},
                ),
                opens=1,
            ),
            Visit("carl", "/ws/orders/", (say(0, type="ping"),)),
        ),
        (
            Change("POST", "/api/orders/", {"total": "5.00"}, hears=(0, 1)),
            Change("PATCH", "/api/orders/{made.id}/", {"status": "paid"}, hears=(0, 1)),
            Change("DELETE", "/api/orders/{made.id}/", hears=(0, 1)),
            Change("PATCH", "/api/orders/{order}/", {"status": "shipped"}, hears=(1, 1)),
        ),
        logout="/orders/logout/",
        others=(
            Visit("", "/ws/orders/{order}/"),
            Visit("ben", "/ws/orders/{order}/"),
            Visit("ben", "/ws/orders/"),
            Visit("anna", "/ws/orders/99999/"),
        ),
        page="/orders/",
    ),
    Project(
        "notifications",
        "session",
        (
            Visit(
                "anna",
                "/ws/notifications/",
                (
                    say(1, action="list"),
                    say(1, action="mark_read", id=1),
                    say(1, action="mark_all_read"),
                    say(1, action="ping"),
                    say(1, action="unknown"),
                ),
                opens=1,
            ),
            Visit("ben", "/ws/notifications/", (say(1, action="ping"), say(1)), opens=1),
        ),
        (
            Change("POST", "/api/notifications/", {"title": "Hello", "message": "Ünïcode"}, hears=(2, 0)),
            Change("PATCH", "/api/notifications/{made.id}/", {"title": "Changed"}, hears=(1, 0)),
            Change("DELETE", "/api/notifications/{made.id}/", hears=(2, 0)),
            Change("POST", "/api/notifications/", {"title": "For you"}, who="ben", hears=(0, 2)),
        ),
        logout="/notifications/logout/",
        others=(Visit("", "/ws/notifications/"),),
        page="/notifications/",
    ),
    Project(
        "chat",
        "session",
        (
            Visit(
                "anna",
                "/ws/chat/garden/",
                (
                    say(1, 1, 1, message="Hello"),
                    say(1, 1, 1, type="message", message="Ünïcode 🌱"),
                    say(0, 1, 1, type="typing"),
                    say(1, type="unknown"),
                ),
                opens=1,
                reopens=4,
                arrives=1,
                leaves=1,
            ),
            Visit(
                "ben",
                "/ws/chat/garden/",
                (say(1, 1, 1, message="Hi"), say(0, 1, 1, type="typing")),
                opens=1,
                reopens=4,
                arrives=1,
                leaves=1,
            ),
        ),
        (
            Change("POST", "/api/chat/garden/messages/", {"message": "From a form"}, hears=(1, 1)),
            Change("PATCH", "/api/chat/messages/{made.id}/", {"message": "Edited"}, hears=(1, 1)),
            Change("DELETE", "/api/chat/messages/{made.id}/", hears=(1, 1)),
        ),
        logout="/chat/logout/",
        others=(Visit("", "/ws/chat/garden/"),),
        page="/chat/garden/",
    ),
    Project(
        "feed",
        "session",
        (
            Visit(
                "carl",
                "/ws/feed/",
                (
                    say(1, command="levels", levels=["error"]),
                    say(1, 1, 1, command="announce", text="Tea"),
                    say(1, command="levels", levels=["info", "warning", "error"]),
                    say(0, command="unknown"),
                ),
                opens=1,
            ),
            Visit("dora", "/ws/feed/", (say(1, command="levels", levels=["info"]),), opens=1),
        ),
        (
            Change("POST", "/api/feed/", {"text": "Refund"}, "carl", (1, 1)),
            Change("PATCH", "/api/feed/{made.id}/", {"text": "Refund of 5"}, "carl", (1, 1)),
            Change("DELETE", "/api/feed/{made.id}/", None, "carl", (1, 1)),
        ),
        logout="/feed/logout/",
        afterwards=1,
        closes=True,
        others=(Visit("anna", "/ws/feed/", opens=1, closes=True), Visit("", "/ws/feed/", opens=1, closes=True)),
        page="/feed/",
    ),
    Project(
        "helpdesk",
        "session",
        (
            Visit(
                "anna",
                "/ws/helpdesk/tickets/{ticket}/",
                (
                    say(1, action="ping", n=7),
                    say(2, 1, action="comment", body="It blinks"),
                    say(1, 1, 1, action="close"),
                    say(1, action="unknown"),
                ),
            ),
            Visit("carl", "/ws/helpdesk/queue/", (say(1, action="count"), say(1, action="ping"))),
        ),
        (
            Change("POST", "/api/tickets/", {"subject": "Mouse"}, hears=(0, 1)),
            Change("PATCH", "/api/tickets/{made.id}/", {"state": "busy"}, hears=(0, 1)),
            Change("DELETE", "/api/tickets/{made.id}/", hears=(0, 1)),
            Change("PATCH", "/api/tickets/{ticket}/", {"state": "open"}, hears=(1, 1)),
        ),
        logout="/helpdesk/logout/",
        others=(
            Visit("ben", "/ws/helpdesk/tickets/{ticket}/"),
            Visit("", "/ws/helpdesk/tickets/{ticket}/"),
            Visit("anna", "/ws/helpdesk/queue/"),
            Visit("dora", "/ws/helpdesk/tickets/99999/"),
        ),
        page="/helpdesk/{ticket}/",
    ),
    Project(
        "delivery",
        "session",
        (
            Visit(
                "ben",
                "/ws/delivery/{tracking}/",
                (
                    {"text": "ping", "frames": 1},
                    say(1, 1, 1, lat=1.5, lng=2),
                    {"text": "not JSON", "frames": 1},
                    {"bytes": "eyJsYXQiOiAzLCAibG5nIjogNH0=", "frames": 1, "others": 1, "tells": 1},
                ),
                opens=1,
            ),
            Visit("", "/ws/delivery/{tracking}/", (say(1, lat=0, lng=0), {"text": "ping", "frames": 1}), opens=1),
        ),
        (
            Change("POST", "/api/parcels/", {}, "ben"),
            Change("PATCH", "/api/parcels/{parcel}/", {"state": "on its way"}, "ben", (1, 1)),
            Change("PATCH", "/api/parcels/{made.id}/", {"state": "lost"}, "ben"),
            Change("DELETE", "/api/parcels/{made.id}/", None, "ben"),
        ),
        logout="/delivery/logout/",
        afterwards=1,
        others=(Visit("", "/ws/delivery/7d444840-9dc0-11d1-b245-5ffdce74fad2/"),),
        page="/delivery/{tracking}/",
    ),
    Project(
        "polls",
        "session",
        (
            Visit("anna", "/ws/polls/lunch/", (say(1, 1, 1, choice="{choice}"), say(1)), opens=1),
            Visit("", "/ws/polls/lunch/", (say(1, choice="{choice}"),), opens=1),
        ),
        (
            Change("POST", "/api/polls/lunch/choices/", {"text": "Soup"}, hears=(1, 1)),
            Change("PATCH", "/api/polls/choices/{made.id}/", {"text": "Soup & bread"}, hears=(1, 1)),
            Change("DELETE", "/api/polls/choices/{made.id}/", hears=(1, 1)),
        ),
        last=(Change("POST", "/api/polls/lunch/end/", hears=(1, 1)),),
        logout="/polls/logout/",
        afterwards=1,
        others=(Visit("", "/ws/polls/nowhere/", closes=True), Visit("anna", "/ws/polls/nowhere/", closes=True)),
        page="/polls/lunch/",
    ),
)
