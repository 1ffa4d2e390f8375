"""The projects whose users have a JWT: who visits, what is sent, and what happens meanwhile."""

from .visits import Change, Project, Visit, say

TOKENS = (
    Project(
        "presence",
        "query",
        (
            Visit(
                "anna",
                "/ws/presence/lobby/",
                (
                    say(1, type="heartbeat"),
                    say(1, type="who"),
                    say(0, 0, 1, type="status", mood="away"),
                    say(0, type="unknown"),
                ),
                opens=2,
                arrives=1,
            ),
            Visit("ben", "/ws/presence/lobby/", (say(1, type="who"),), opens=2, arrives=1),
        ),
        (
            Change("POST", "/api/spaces/", {"slug": "kitchen", "topic": "Tea"}, hears=(1, 1)),
            Change("PATCH", "/api/spaces/{made.id}/", {"topic": "Coffee"}, hears=(1, 1)),
            Change("DELETE", "/api/spaces/{made.id}/", hears=(1, 1)),
        ),
        others=(Visit("", "/ws/presence/lobby/"), Visit("anna", "/ws/presence/nowhere/")),
        page="/presence/lobby/",
    ),
    Project(
        "tasks",
        "query",
        (
            Visit(
                "anna",
                "/ws/tasks/",
                (
                    say(2, 1, action="create", title="Sweep"),
                    say(1, action="list"),
                    say(1, action="unknown"),
                    say(1, something=1),
                    {"send": {"action": "close"}, "closes": True},
                    {"reconnect": True},
                ),
                opens=1,
            ),
            Visit("ben", "/ws/tasks/", (say(2, 1, action="create", title="Mop"), say(1, action="list")), opens=1),
        ),
        (
            Change("POST", "/api/tasks/", {"title": "Cook"}, hears=(1, 0)),
            Change("PATCH", "/api/tasks/{made.id}/", {"done": True}, hears=(1, 0)),
            Change("DELETE", "/api/tasks/{made.id}/", hears=(1, 0)),
            Change("POST", "/api/tasks/", {"title": "Wash"}, "ben", (0, 1)),
        ),
        others=(Visit("", "/ws/tasks/"), Visit("", "/ws/tasks/?token=a.b.c")),
        page="/tasks/",
    ),
    Project(
        "teams",
        "cookie",
        (
            Visit(
                "anna",
                "/ws/teams/",
                (
                    say(1, op="mute", team="{blue}"),
                    say(1, op="unmute", team="{blue}"),
                    say(0, 0, 1, op="wave", team="{red}"),
                    say(1, op="unknown"),
                ),
                opens=1,
            ),
            Visit(
                "ben", "/ws/teams/", (say(0, 0, 1, op="wave", team="{red}"), say(1, op="wave", team="{blue}")), opens=1
            ),
        ),
        (
            Change("POST", "/api/teams/posts/", {"team": "{red}", "text": "News"}, hears=(1, 1)),
            Change("PATCH", "/api/teams/posts/{made.id}/", {"text": "draft of news"}, hears=(1, 0)),
            Change("DELETE", "/api/teams/posts/{made.id}/", hears=(1, 1)),
        ),
        others=(Visit("", "/ws/teams/"),),
        page="/teams/",
    ),
)
