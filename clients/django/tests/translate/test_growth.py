"""What `init` does for a project grows with its routes, not with their square. Work is counted, not timed."""

import ast
import collections
import importlib
import os
import pathlib
import sys
import textwrap

import pytest
from django.test import override_settings

HEAD = """
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.middleware import BaseMiddleware
from channels.routing import URLRouter
from django.urls import path

LIMIT = 50


class Plain(BaseMiddleware):
    pass
"""
#: A consumer with a constant of the module, an attribute, and a middleware of the project's own.
CONSUMER = """

class Base{n}(AsyncJsonWebsocketConsumer):
    async def leave(self):
        await self.channel_layer.group_discard("all", self.channel_name)


class Consumer{n}(Base{n}):
    kind = "orders"

    async def connect(self):
        if self.scope["user"].is_anonymous:
            return await self.close()
        self.room = self.scope["url_route"]["kwargs"]["id"]
        await self.channel_layer.group_add(f"room{n}_{{self.room}}", self.channel_name)
        await self.channel_layer.group_add("all", self.channel_name)
        await self.accept()

    async def order_status(self, event):
        await self.send_json({{"type": self.kind, "to": event["status"], "limit": LIMIT}})

    async def receive_json(self, message):
        if message["type"] == "ping":
            await self.send_json({{"type": "pong"}})
        elif message["type"] == "note":
            await {save}


@database_sync_to_async
def save{n}(text):
    print(text)
"""
SAVES = ("self.send_json({{}})", "save{n}(message['text'])", "unknown(message)")


def project_of(count):
    parts = [HEAD]
    parts += [CONSUMER.format(n=n, save=SAVES[n % len(SAVES)].format(n=n)) for n in range(count)]
    parts.append("\n\nROUTES = [\n")
    applications = [f"Plain(Consumer{n}.as_asgi())" if n % 3 else f"Consumer{n}.as_asgi()" for n in range(count)]
    parts += [f'    path("ws/c{n}/<int:id>/", {one}),\n' for n, one in enumerate(applications)]
    return "".join(parts) + "]\nAPPLICATION = AuthMiddlewareStack(URLRouter(ROUTES))\n"


class Work:
    """Counts calls of functions, characters that Python parses, and files that are read, while it is entered."""

    def __init__(self, monkeypatch):
        self.calls = self.parsed = 0
        self.read = []
        #: The functions whose trees are walked, each as often as it is.
        self.walked = []
        parse, walk, read_text = ast.parse, ast.walk, pathlib.Path.read_text

        def counted_parse(source, *arguments, **named):
            self.parsed += len(source)
            return parse(source, *arguments, **named)

        def counted_read(path, *arguments, **named):
            self.read.append(os.fspath(path))
            return read_text(path, *arguments, **named)

        def counted_walk(node):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.walked.append(node)
            return walk(node)

        monkeypatch.setattr(ast, "parse", counted_parse)
        monkeypatch.setattr(ast, "walk", counted_walk)
        monkeypatch.setattr(pathlib.Path, "read_text", counted_read)

    def _count(self, _frame, event, _argument):
        self.calls += event in ("call", "c_call")

    def __enter__(self):
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)


@pytest.fixture
def work_for(tmp_path, monkeypatch):
    """What `init` does for a project of so many consumers in one module, with what it writes."""
    from channelgate.translate import project, report

    def work(count):
        folder = tmp_path / f"of_{count}"
        folder.mkdir()
        name = f"growth_{tmp_path.name.replace('-', '_')}_{count}"
        (folder / f"{name}.py").write_text(textwrap.dedent(project_of(count)))
        with monkeypatch.context() as patched, override_settings(BASE_DIR=folder):
            patched.syspath_prepend(str(folder))
            importlib.invalidate_caches()
            application = importlib.import_module(name).APPLICATION
            with Work(patched) as counted:
                written = project.translate(application)
                text, lines = written.text, list(report.table(written.verdicts))
        assert text.count("[[consumer]]") == count and len(lines) >= count
        kinds = {one.kind for one in written.verdicts}
        assert {"native", "native + calls"} <= kinds, kinds
        return counted

    work(3)
    return work


def test_twice_as_many_routes_are_twice_the_work(work_for):
    few, more, most = work_for(9), work_for(18), work_for(27)
    for name in ("calls", "parsed"):
        first, second, third = (getattr(one, name) for one in (few, more, most))
        # Of a line the second difference is 0; of a square it would be as large as the work for the first 9.
        assert abs((third - second) - (second - first)) < 0.02 * first, (name, first, second, third)


def test_each_file_of_the_project_is_read_once(work_for):
    counted = work_for(4)
    assert len(counted.read) == 1, counted.read


def test_each_function_of_the_project_is_walked_once(work_for):
    walked = collections.Counter(map(id, work_for(4).walked))
    assert walked and set(walked.values()) == {1}, walked.most_common(3)
