"""A copy of tests/django/checked under Daphne, nodes that are right and wrong, and nginx in front of them."""

import re
import subprocess
from pathlib import Path

import redis
import stack

from . import project
from .commanded import Commands, Said
from .system import API_KEY, QUICK_DRAIN

#: A password in an address; doctor must not print it.
PASSWORD = "the-password-of-redis"

#: Keys of nodes that come and go by themselves: heartbeats, and the markers that prove that queues are read.
OF_NODES = re.compile(rb"^channelgate:(node|nodes|cache|presence)|specific\.[0-9a-f]{32}m!")

CONFIG = """
[backend]
url = "{backend}"

[[consumer]]
path = "/ws/orders/<int:id>/"
auth = ["django"]
groups = ["order_{{{{ route.id }}}}"]
[consumer.on_event."order.status"]
send = "{{'type': 'order.status', 'status': event.status}}"

[[consumer]]
path = "/ws/prices/<slug:symbol>/"
auth = ["jwt"]
groups = ["prices"]
[consumer.on_event.price]
send = "{{'type': 'price', 'price': event.price | round, 'at': now('epoch_ms')}}"
"""
NEWS = """
[[consumer]]
path = "/ws/news/"
auth = ["ws_token"]
groups = ["news"]
[consumer.on_event.news]
send = "{'type': 'news', 'title': event.title | default(none), 'tags': event.tags}"
"""

MIGRATE = """
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
"""
SITES = """
pid nginx.pid;
error_log error.log warn;
events {{}}
http {{
    client_body_temp_path tmp_body;
    proxy_temp_path tmp_proxy;
    fastcgi_temp_path tmp_fastcgi;
    uwsgi_temp_path tmp_uwsgi;
    scgi_temp_path tmp_scgi;
    access_log off;
    server {{
        listen 127.0.0.1:{good};
        include {locations};
        location / {{ proxy_pass http://127.0.0.1:{django}; proxy_set_header Host $http_host; }}
    }}
    server {{
        listen 127.0.0.1:{plain};
        location /ws/ {{ proxy_pass http://127.0.0.1:{node}; proxy_http_version 1.1; }}
    }}
    server {{
        listen 127.0.0.1:{old};
        location /ws/ {{
            proxy_pass http://127.0.0.1:{node};
            proxy_http_version 1.0;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
    server {{
        listen 127.0.0.1:{page};
        location / {{ return 200 "<!doctype html>"; }}
    }}
    server {{
        listen 127.0.0.1:{dead};
        location /ws/ {{ proxy_pass http://127.0.0.1:{closed}; }}
    }}
    server {{
        listen 127.0.0.1:{all};
        location /ws/ {{
            proxy_pass http://127.0.0.1:{node};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $http_host;
        }}
    }}
    server {{
        listen 127.0.0.1:{host};
        location /ws/ {{
            proxy_pass http://127.0.0.1:{node};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
    server {{
        listen 127.0.0.1:{without};
        location / {{ proxy_pass http://127.0.0.1:{django}; }}
    }}
}}
"""


class Checked:
    """All of it, started once for the tests of a file."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.parts: list[stack.Part] = []
        self.redis, self.other_redis = (
            self._start(stack.redis(directory, stack.free_port(), name)) for name in ("redis", "other")
        )
        with redis.Redis(port=self.redis.port) as admin:
            admin.execute_command("ACL", "SETUSER", "shop", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        self.port, self.closed = stack.free_port(), stack.free_port()
        self.redis_url = f"redis://shop:{PASSWORD}@{stack.LOOPBACK}:{self.redis.port}/0"
        self.env = {**project.environment("checked", directory, self.redis_url), "API_KEY_OF_NODES": API_KEY}
        self.config = CONFIG.format(backend=f"http://{stack.LOOPBACK}:{self.port}/channelgate")
        (directory / "channelgate.toml").write_text(self.config + NEWS)
        argv = [stack.PYTHON, "-m", "daphne", "-b", stack.LOOPBACK, "-p", str(self.port), "checked.asgi:application"]
        ready = lambda: stack.http_status(self.port, "/page/") == 200  # noqa: E731
        self.django = self._start(stack.Part("django", argv, directory, ready, self.env, self.port), wait=False)
        self.good = self.node("good", CHANNELGATE_LAYER="core")
        #: Another SECRET_KEY, another secret, no consumer for the news, and pages of one host. It accepts clients to
        #: close them.
        self.wrong = self.node(
            "wrong",
            self.config.replace('auth = ["django"]', 'auth = ["django"]\nreject = { close = 4401 }'),
            DJANGO_SECRET_KEY="the-key-of-another-project",
            CHANNELGATE_BACKEND_SECRET="another-secret",
            CHANNELGATE_ALLOWED_ORIGINS=stack.LOOPBACK,
        )
        #: Another API key, every origin, and a unix socket.
        self.strange = self.node(
            "strange",
            NEWS,
            CHANNELGATE_API_KEY="another-key",
            CHANNELGATE_ALLOWED_ORIGINS="*",
            CHANNELGATE_LISTEN=f"unix:{directory}/node",
        )
        self.away = self.node("away", ready="/health/live", REDIS_URL=f"redis://{stack.LOOPBACK}:{self.closed}/0")
        self.commands = Commands(stack.PYTHON, directory, self.env)
        self.commands.run(code=MIGRATE)
        for part in self.parts:
            part.wait()

    def _start(self, part: stack.Part, wait: bool = True) -> stack.Part:
        self.parts.append(part.start())
        return part.wait() if wait else part

    def node(self, name: str, text: str | None = None, ready: str = "/health/ready", **env: str) -> stack.Part:
        """One more node, with the configuration of the project or with another one."""
        config = self.directory / f"{name}.toml"
        config.write_text(self.config + NEWS if text is None else text)
        env = {
            "REDIS_URL": self.redis_url,
            "DJANGO_SECRET_KEY": stack.SECRET_KEY,
            "CHANNELGATE_API_KEY": API_KEY,
            "CHANNELGATE_BACKEND_SECRET": stack.BACKEND_SECRET,
            "CHANNELGATE__LAYER__LINGER": "0s",
            **QUICK_DRAIN,
            **env,
        }
        return self._start(stack.node(self.directory, stack.free_port(), env, name, config, ready), wait=False)

    def url(self, part: stack.Part) -> str:
        listen = part.env.get("CHANNELGATE_LISTEN", "")
        return listen if listen.startswith("unix:") else f"http://{stack.LOOPBACK}:{part.port}"

    def doctor(self, *words: str, node: stack.Part | str | None = None, **settings) -> Said:
        """`manage.py channelgate doctor`."""
        node = node or self.good
        url = node if isinstance(node, str) else self.url(node)
        return self.commands.run("doctor", "--node", url, *words, **settings)

    def start_nginx(self) -> dict[str, str]:
        """nginx; the sites by what is right or wrong with them."""
        home = self.directory / "sites"
        home.mkdir()
        locations = self.directory / "nginx-channelgate.conf"
        locations.write_text(self.commands.run("nginx", "--node", self.url(self.good)).out)
        sites = {name: stack.free_port() for name in ("good", "plain", "old", "page", "dead", "all", "host", "without")}
        text = SITES.format(**sites, django=self.port, node=self.good.port, closed=self.closed, locations=locations)
        (home / "nginx.conf").write_text(text)
        user = "user root; " if stack.os.geteuid() == 0 else ""
        argv = [stack.tool("nginx"), "-p", f"{home}/", "-c", home / "nginx.conf", "-e", home / "error.log", "-g"]
        tested = subprocess.run(
            [*argv, f"{user}daemon off;", "-t"], capture_output=True, text=True, check=False, timeout=20
        )
        assert "test is successful" in tested.stderr and "warn" not in tested.stderr, tested.stderr
        ready = lambda: stack.listening(sites["good"])  # noqa: E731
        self._start(stack.Part("nginx", [*argv, f"{user}daemon off;"], self.directory, ready, port=sites["good"]))
        return {name: f"http://{stack.LOOPBACK}:{port}" for name, port in sites.items()}

    def keys(self) -> dict[str, set[bytes]]:
        """What is in both Redis servers, but for what nodes keep there."""
        found = {}
        for server in (self.redis, self.other_redis):
            for number in (0, 1):
                with redis.Redis(port=server.port, db=number) as client:
                    keys = client.keys("*")
                found[f"{server.port}/{number}"] = {key for key in keys if not OF_NODES.search(key)}
        return found

    def stop(self) -> None:
        self.commands.stop()
        for part in reversed(self.parts):
            part.stop(grace=3)
