"""The five-minute guide: every command of docs/django/install.md and migrating.md, typed into a fresh project."""

import asyncio
import contextlib
import dataclasses
import itertools
import os
import re
import signal

import pytest
import stack
from rig.client import Client, refusal, until
from rig.fresh import Fresh
from rig.guide import Step, Walk, missing, steps
from rig.http import Http
from rig.packed import pack

PAGES = [stack.ROOT / "docs" / "django" / name for name in ("install.md", "migrating.md")]
#: The ports of the pages: Django, the node, nginx.
DJANGO, NODE, NGINX = 8000, 8001, 8080
#: For all commands together, on a machine that has other things to do.
FIVE_MINUTES = 300

SITE = """
pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{nginx};
        {include}
        location / {{
            proxy_pass http://127.0.0.1:{django};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}
    }}
}}
"""
LOGIN = """
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpResponse

def enter(request, name):
    login(request, User.objects.get(username=name))
    request.session.save()
    return HttpResponse(request.session.session_key)
"""


@dataclasses.dataclass
class Site:
    """The project under Daphne behind nginx, as it was before, and the person who reads the guide."""

    walk: Walk
    nginx: stack.Part

    @property
    def port(self) -> int:
        """For browsers."""
        return self.nginx.port

    def configure(self, include: str = "") -> None:
        """The site's nginx; it reads the file again if it runs."""
        ports = {"django": self.walk.ports[DJANGO], "nginx": self.port}
        text = SITE.format(folder=self.nginx.directory, include=include, **ports)
        (self.nginx.directory / "nginx.conf").write_text(text)
        self.nginx.signal(signal.SIGHUP)

    async def cookie(self, name: str) -> dict[str, str]:
        """The session of a user who has logged in at the site."""
        reply = await Http(self.port).get(f"/enter/{name}/")
        assert reply.status == 200, reply.body
        return {"Cookie": f"sessionid={reply.body.decode()}"}

    async def of_the_node(self) -> int:
        """How many sockets the node holds."""
        text = (await Http(self.walk.ports[NODE]).get("/metrics")).body.decode()
        return int(float(re.search(r"^channelgate_connections\{[^}]*\} (\S+)$|\Z", text, re.M)[1] or 0))


@pytest.fixture
def site(tmp_path):
    """What the reader of the guide has before it begins."""
    redis = stack.redis(tmp_path, stack.free_port()).start().wait()
    wheel = pack(tmp_path / "wheel")
    project = Fresh(tmp_path, f"redis://{stack.LOOPBACK}:{redis.port}/0", wheel.parent)
    (project.folder / "mysite" / "login.py").write_text(LOGIN.lstrip())
    project.append(
        "mysite/urls.py",
        'from mysite.login import enter\n\nurlpatterns.append(path("enter/<slug:name>/", enter))\n',
    )
    ports = {port: stack.free_port() for port in (DJANGO, NODE, NGINX)}
    walk = Walk(project, ports)
    home = tmp_path / "nginx"
    home.mkdir()
    user = "user root; " if os.geteuid() == 0 else ""
    argv = [stack.tool("nginx"), "-p", home, "-c", home / "nginx.conf", "-e", home / "error.log"]
    listens = ports[NGINX]
    nginx = stack.Part(
        "nginx", [*argv, "-g", f"{user}daemon off;"], home, lambda: stack.listening(listens), port=listens
    )
    site = Site(walk, nginx)
    site.configure()
    nginx.start().wait()
    try:
        yield site
    finally:
        walk.stop()
        nginx.stop()
        redis.stop()


def serve(site: Site) -> stack.Part:
    """The project's own server; the next start has what was edited."""
    port = site.walk.ports[DJANGO]
    command = ["python", "manage.py", "runserver", "--noreload", str(port)]
    environment = site.walk.project.environment
    words = ["env", "-i", *(f"{name}={value}" for name, value in environment.env.items()), *command]
    ready = lambda: stack.http_status(port, "/admin/login/") == 200  # noqa: E731
    return stack.Part("django", words, site.walk.project.folder, ready, port=port)


async def talk(site: Site, names: dict[str, dict[str, str]]) -> None:
    """Both users are in a room, and each hears the other."""
    rooms = [await Client.open(site.port, "/ws/chat/lobby/", additional_headers=head) for head in names.values()]
    for name, client in zip(names, rooms, strict=True):
        await client.send({"text": f"I am {name}"})
        for one in rooms:
            said = {"text": f"I am {name}", "by": name}
            await one.wait(lambda one, said=said: said in one.json(), said)
    for client in rooms:
        await client.close()


@pytest.mark.timeout(FIVE_MINUTES)
async def test_the_guide_from_pip_install_to_a_moved_path(site):
    walk = site.walk
    install, migrating = (steps(page) for page in PAGES)
    for step in install:
        await carry_out(walk, step)
    walk.project.append("mysite/settings.py", f'CHANNELGATE["URL"] = "http://{stack.LOOPBACK}:{walk.ports[NODE]}"')
    walk.servers.append(await asyncio.to_thread(lambda: serve(site).start().wait()))
    names = {name: await site.cookie(name) for name in ("anna", "ben")}
    await talk(site, names)

    for step in migrating:
        if step.kind == "nginx":
            # Those of the commands have gone.
            await until(lambda: none_left(site), "no socket, because nothing has moved before")
            site.configure(walk.here(step.text))
            await until(lambda: moved(site, names["anna"]), "the path to move")
        elif "shadow" in step.text and "--script" not in step.text:
            # Live traffic: somebody talks at the site meanwhile.
            async with talking(site, names["ben"]):
                await carry_out(walk, step)
        else:
            await carry_out(walk, step)
    await talk(site, names)
    assert await refusal(site.port, "/ws/chat/lobby/") == 403, "without a login, as before"
    assert (
        await refusal(site.port, "/ws/chat/lobby/", origin="http://evil.example", additional_headers=names["ben"])
        == 403
    )
    # One line takes it back.
    site.configure()

    async def is_back() -> bool:
        return not await moved(site, names["anna"])

    await until(is_back, "the path to be back")
    await talk(site, names)
    [node] = [server for server in walk.servers if server.name == "node"]
    node.signal(signal.SIGINT)
    assert await asyncio.to_thread(node.join, 20) == 0, "Ctrl-C ends it"
    print(f"the commands of the guide took {walk.seconds:.1f} s")
    assert walk.seconds < FIVE_MINUTES


@contextlib.asynccontextmanager
async def talking(site: Site, head: dict[str, str]):
    """A user who says something again and again."""
    client = await Client.open(site.port, "/ws/chat/lobby/", additional_headers=head)

    async def talk_on() -> None:
        for number in itertools.count(1):
            await client.send({"text": f"still here {number}"})
            await client.count_of(number)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(talk_on())
    try:
        yield
    finally:
        task.cancel()
        await client.close()


async def moved(site: Site, head: dict[str, str]) -> bool:
    """Whether a socket through nginx is one of the node's."""
    client = await Client.open(site.port, "/ws/chat/lobby/", additional_headers=head)
    try:
        return await site.of_the_node() == 1
    finally:
        await client.close()
        await until(lambda: none_left(site), "the socket to go")


async def none_left(site: Site) -> bool:
    return await site.of_the_node() == 0


async def carry_out(walk: Walk, step: Step) -> None:
    """Does what a block says."""
    match step.kind:
        case "sh":
            await asyncio.to_thread(walk.type, step)
        case "python":
            walk.edit(step)
        case "json":
            (walk.project.folder / "messages.json").write_text(step.text)
        case other:
            raise AssertionError(f"a block of {other}: {step.text}")


def test_what_is_printed_is_compared_line_by_line():
    printed = "one\ntwo 7 ms\nthree\n"
    assert missing(printed, ("one", "two … ms", "three")) == []
    assert missing(printed, ("two … ms", "one")) == ["one"], "in the order of the page"
    assert missing(printed, ("two",)) == ["two"], "a whole line"
    assert missing(printed, ("four",)) == ["four"]
