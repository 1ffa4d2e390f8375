"""A copy of tests/django/logins under Daphne, and nodes that ask it who their clients are."""

from pathlib import Path

import stack

from . import project
from .client import Client, refusal, until
from .http import Http
from .system import API_KEY, QUICK_DRAIN

CONFIG = """
[auth.django]
cookies = ["csrftoken", "sessionid"]
headers = ["Authorization"]
query = ["token"]
subprotocols = ["Token"]
cache = "{cache}"

[[consumer]]
path = "/ws/who/"
auth = ["django"]
on_connect.reply = "user"

[[consumer]]
name = "ends"
path = "/ws/ends/"
auth = ["django"]
at_expiry = "close"
on_connect.reply = "user"

[[consumer]]
name = "others"
path = "/ws/others/"
auth = ["django", "jwt", "anonymous"]
on_connect.reply = "user"

[[consumer]]
name = "stale"
path = "/ws/stale/"
auth = ["django", "anonymous"]
invalid = "anonymous"
on_connect.reply = "user"

[[consumer]]
name = "closes"
path = "/ws/closes/"
auth = ["django"]
reject.close = {{}}
on_connect.reply = "user"

[[consumer]]
name = "bridged"
path = "/ws/bridged/"
django = true
auth = ["django"]

[[consumer]]
name = "free"
path = "/ws/free/"
django = ["connect", "receive"]
anonymous_for = "6s"

[[consumer]]
name = "first"
path = "/ws/first/"
anonymous_for = "6s"
reject = {{ close = 4008, reason = "log in first", send = "{{'bye': query.n}}" }}
[consumer.on_message.login.call]
action = "login"
data = "message.token"
ok = {{ user = "result.body", reply = "result.body.name" }}
error = {{ reply = "'no'" }}
[consumer.on_message.who]
reply = "user"

[[consumer]]
name = "socket"
protocol = "socket.io"
path = "/socket.io/"
auth = ["django"]
on_connect.reply = {{ event = "user", data = "user" }}

[[consumer]]
name = "engine"
protocol = "engine.io"
path = "/engine.io/"
auth = ["django"]
on_connect.reply_raw = "user.name"
"""


class Logins:
    """Redis, the project under Daphne, and nodes."""

    def __init__(self, directory: Path, application: str = "logins.asgi:application"):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.redis = stack.redis(directory, stack.free_port()).start().wait()
        self.redis_url = f"redis://{stack.LOOPBACK}:{self.redis.port}/0"
        self.port = stack.free_port()
        self.env = project.environment("logins", directory, self.redis_url)
        project.migrate(directory, self.env)
        self.nodes: list[stack.Part] = []
        ready = lambda: stack.http_status(self.port, "/mood/") == 200  # noqa: E731
        argv = [stack.PYTHON, "-m", "daphne", "-b", stack.LOOPBACK, "-p", str(self.port), application]
        self.django = stack.Part("django", argv, directory, ready, self.env, self.port)
        self.site = Http(self.port)

    def node(self, cache: str = "3s", text: str | None = None, **env: str) -> stack.Part:
        """One more node; with another configuration than that above."""
        name = f"node{len(self.nodes)}"
        config = self.directory / f"{name}.toml"
        config.write_text(text or CONFIG.format(cache=cache))
        env = {
            "REDIS_URL": self.redis_url,
            "DJANGO_SECRET_KEY": stack.SECRET_KEY,
            "CHANNELGATE_API_KEY": API_KEY,
            "CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{self.port}/channelgate",
            "CHANNELGATE_BACKEND_SECRET": stack.BACKEND_SECRET,
            "CHANNELGATE__BACKEND__TIMEOUT": "10s",
            "RUST_LOG": "debug",
            **QUICK_DRAIN,
            **env,
        }
        self.nodes.append(stack.node(self.directory, stack.free_port(), env, name, config))
        return self.nodes[-1].start()

    def wait(self) -> "Logins":
        for part in (self.django, *self.nodes):
            part.wait()
        return self

    def stop(self) -> None:
        for part in (*self.nodes, self.django, self.redis):
            if part.process is not None:
                part.stop(grace=3)

    async def login(self, name: str, how: str = "") -> dict:
        """A session and a token of this user: `{"id", "session", "token"}`."""
        reply = await self.site.post(f"/login/{name}/{how}")
        assert reply.status == 200, reply.body
        return reply.json()

    async def knox(self, name: str, seconds: int = 600) -> str:
        """A token of knox for this user."""
        reply = await self.site.post(f"/knox/token/{name}/?seconds={seconds}")
        assert reply.status == 200, reply.body
        return reply.json()["token"]

    async def logout(self, session: str) -> None:
        reply = await self.site.post("/logout/", headers={"Cookie": f"sessionid={session}"})
        assert reply.status == 204, reply.body

    async def change(self, name: str, query: str) -> None:
        reply = await self.site.post(f"/change/{name}/?{query}")
        assert reply.status == 204, reply.body

    async def mood(self, **mood) -> None:
        """How the next questions are answered, and when those that wait: `status`, `delay`, `page` instead of JSON."""
        await self.site.post("/mood/", data=mood)

    async def asked(self, session: str | None = None) -> int:
        """How often Django was asked; about this session."""
        asked = (await self.site.get("/mood/")).json()["asked"]
        return sum(session is None or session in str(data) for data in asked)

    async def open(self, path: str, session: str | None = None, node: int = 0, **options) -> Client:
        """A socket with this session's cookie."""
        headers = {"Cookie": f"a=b; sessionid={session}"} if session else {}
        headers |= options.pop("headers", {})
        return await Client.open(self.nodes[node].port, path, additional_headers=headers, **options)

    async def under_daphne(self, session: str) -> Client:
        """The same under Daphne and `AuthMiddlewareStack`."""
        return await Client.open(self.port, "/ws/who/", additional_headers={"Cookie": f"sessionid={session}"})

    async def asks_again(self, session: str, node: int) -> None:
        """Waits until what the node knows about this session is too old."""
        before = await self.asked(session)

        async def asks() -> bool:
            headers = {"Cookie": f"sessionid={session}"}
            await refusal(self.nodes[node].port, "/ws/who/", additional_headers=headers)
            return await self.asked(session) > before

        await until(asks, "the answer to be too old", pause=0.1)
