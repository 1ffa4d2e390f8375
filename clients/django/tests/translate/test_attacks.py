"""Consumers that look like something else than they are: none is admitted, joins or sends more than it does."""

import pytest
from django.test import override_settings

ACCEPT = "await self.accept()"


def consumer(connect=ACCEPT, more="", before="", base="AsyncJsonWebsocketConsumer"):
    """The class `C` with this body of connect(), further members, and text before it."""

    def indented(text, depth):
        return "\n".join(" " * depth + line for line in text.strip("\n").splitlines())

    return (
        f"{before}\n\nclass C({base}):\n    async def connect(self):\n{indented(connect, 8)}\n\n{indented(more, 4)}\n"
    )


def in_python(found, part="connect"):
    django = found.table.get("django", [])
    return django is True or part in django


CLOSE = "\n    await self.close()\n    return\n" + ACCEPT
#: connect() that only Python can run, by what is hidden in it.
ADMISSIONS = {
    "a setting": ("if settings.CHAT_OPEN is False:" + CLOSE, "", ""),
    "DEBUG": ('if not settings.DEBUG and self.scope["user"].is_anonymous:' + CLOSE, "", ""),
    "the environment": (
        'if CLOSED and self.scope["user"].is_anonymous:' + CLOSE,
        "",
        "import os\nCLOSED = 'X' in os.environ",
    ),
    "an object": (
        "if not flags.is_open:" + CLOSE,
        "",
        "class Flags:\n    @property\n    def is_open(self):\n        return True\n\nflags = Flags()",
    ),
    "a class attribute": (
        "if self.is_closed:" + CLOSE,
        "is_closed = False\n@classmethod\ndef end(cls):\n    cls.is_closed = True",
        "",
    ),
    "a module": (
        "if state.CLOSED:" + CLOSE,
        "",
        "import types\nstate = types.ModuleType('state')\nstate.CLOSED = False",
    ),
    "a cached property": (
        "if not self.is_member:" + CLOSE,
        "@functools.cached_property\ndef is_member(self):\n    return False",
        "",
    ),
    "a closure": (
        "if not self.may():" + CLOSE,
        "may = maker()",
        "def maker():\n    is_open = True\n    def may(self):\n        return is_open\n    return may",
    ),
    "a function named log": ("log(self)\n" + ACCEPT, "", "def log(consumer):\n    raise DenyConnection()"),
    "a coroutine that nothing awaits": ("self.accept()", "", ""),
    "a group that nothing awaits": ('self.channel_layer.group_add("x", self.channel_name)\n' + ACCEPT, "", ""),
    "async_to_sync": ('async_to_sync(self.channel_layer.group_add)("x", self.channel_name)\n' + ACCEPT, "", ""),
    "another accept": (
        "await super().connect()",
        "async def accept(self, subprotocol=None):\n    await self.close()",
        "",
    ),
    "another scope": ("self.scope = {'user': None}\n" + ACCEPT, "", ""),
    "another channel": (
        "self.channel_name = 'x'\nawait self.channel_layer.group_add('x', self.channel_name)\n" + ACCEPT,
        "",
        "",
    ),
    "an argument of the route": ("if self.scope['url_route']['kwargs'].get('roles'):" + CLOSE, "", ""),
    "a name without a value": ("if role == 'x':" + CLOSE + "\nrole = 1", "", "role = 'y'"),
    "an id that is None": (
        "if str(self.scope['user'].id) != self.scope['url_route']['kwargs']['room']:" + CLOSE,
        "",
        "",
    ),
    "a text and a number": (
        "from django.http import QueryDict\nif QueryDict(self.scope['query_string']).get('n', 5) > 3:" + CLOSE,
        "",
        "",
    ),
    "a finally": (
        "await self.accept()\nfor x in (1,):\n    try:\n        break\n    finally:\n        await self.close()",
        "",
        "",
    ),
}


@pytest.mark.parametrize("name", ADMISSIONS)
def test_who_is_admitted_is_not_guessed(verdict, name):
    connect, more, before = ADMISSIONS[name]
    with override_settings(CHAT_OPEN=True, DEBUG=True):
        found = verdict(consumer(connect, more, before), 'path("x/<slug:room>/", {}, {{"roles": ["staff"]}})')
    assert in_python(found), found.table


#: Classes whose connect() is not a function of their own.
CLASSES = {
    "a partial method": "    async def go(self, strict):\n        await self.close()\n"
    "    connect = functools.partialmethod(go, 1)",
    "nothing": "    connect = None",
    "a descriptor": "    @Wrapped\n    async def connect(self):\n        await self.close()",
    "accept alone": "    async def accept(self, subprotocol=None):\n        await self.close()",
    "an async def in a synchronous consumer": "    async def connect(self):\n        self.accept()",
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_connect_that_is_no_method_is_run_by_python(verdict, name):
    source = """
class Wrapped:
    def __init__(self, f):
        self.f = f
    def __get__(self, instance, owner=None):
        return self.f
"""
    base = "JsonWebsocketConsumer" if "synchronous" in name else "AsyncJsonWebsocketConsumer"
    assert in_python(verdict(f"{source}\nclass C({base}):\n{CLASSES[name]}\n"))


def test_another_channel_layer_of_a_base_counts(verdict):
    source = "class B(AsyncJsonWebsocketConsumer):\n    channel_layer_alias = 'second'\n\n" + consumer(base="B")
    assert verdict(source).table["django"] is True


def test_groups_that_init_sets_are_joined_by_python(verdict):
    source = consumer(more="def __init__(self, *a, **k):\n    super().__init__(*a, **k)\n    self.groups = ['x']")
    assert verdict(source).table["django"] is True


def test_super_of_another_class_is_looked_up_after_it(verdict):
    source = """
class A(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.close()

class B(A):
    async def connect(self):
        await self.accept()

class C(B):
    async def connect(self):
        await super(B, self).connect()
"""
    assert in_python(verdict(source))


def test_what_a_base_sets_in_init_is_known(verdict):
    source = (
        "class B(AsyncJsonWebsocketConsumer):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n"
    )
    source += "        self.closed = True\n\n"
    source += consumer(
        "if self.closed:" + CLOSE,
        "def __init__(self, *a, **k):\n    super().__init__(*a, **k)\n    self.y = 1",
        base="B",
    )
    assert in_python(verdict(source))


@pytest.mark.parametrize("test", ["== False", "!= True", "is False", "in (False, None)"])
def test_a_login_is_compared_as_a_bool(verdict, test):
    """The node's `user` is the user, and no bool."""
    found = verdict(consumer(f'if self.scope["user"].is_authenticated {test}:' + CLOSE))
    assert found.table["auth"] == ["django"] and "on_admit" not in found.table


def test_a_login_is_sent_as_a_bool(verdict):
    connect = ACCEPT + '\nawait self.send_json({"in": self.scope["user"].is_authenticated})'
    replies = {step["when"]: step["reply"] for step in verdict(consumer(connect)).table["on_connect"]}
    assert replies == {"user": "{'in': true}", "not user": "{'in': false}"}
    more = "async def told(self, event):\n    await self.send_json([self.scope['user'].is_authenticated])"
    assert "send" not in verdict(consumer(more=more)).table["on_event"]["told"]


MUTED = "self.muted = False\n" + ACCEPT
TOLD = "\nasync def told(self, event):\n    if not self.muted:\n        await self.send_json({'x': 1})"
#: Ways to change an attribute that no `self.muted = …` of the class shows.
CHANGES = {
    "an alias": "me = self\nme.muted = True",
    "another function": "mute(self)",
    "a name that is made": "setattr(self, content['k'], True)",
    "the dictionary": "vars(self)['muted'] = True",
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_attribute_that_changes_out_of_sight_is_not_known(verdict, name):
    body = "\n".join(f"    {line}" for line in CHANGES[name].splitlines())
    before = "def mute(consumer):\n    consumer.muted = True"
    found = verdict(consumer(MUTED, f"async def receive_json(self, content):\n{body}\n{TOLD}", before))
    assert "told" not in found.table.get("on_event", {}) and "told" in found.comments


def test_a_method_that_another_replaces_still_changes_what_it_changes(verdict):
    source = """
class B(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        self.muted = True
"""
    more = "async def receive_json(self, content):\n    await super().receive_json(content)\n" + TOLD
    assert "told" in verdict(source + consumer(MUTED, more, base="B")).comments


#: Handlers that only Python can run.
HANDLERS = {
    "a coroutine that nothing awaits": "self.send_json({'x': 1})",
    "an own coroutine that nothing awaits": "self.out()",
    "a close after an except": "try:\n    t = event['t']\nexcept KeyError:\n    pass\nawait self.close()",
    "an argument by its name": "await self.send_json({'x': event['x'].split(maxsplit=1)})",
    "a key of the path": "if event['k'] in self.scope['url_route']['kwargs']:\n    return\n"
    "await self.send_json({'x': 1})",
    "a call in a log": "logger.info('%s', self.check())\nawait self.send_json({'x': 1})",
    "a list of the environment": "for k in KINDS:\n    await self.send_json({'x': k})",
}


@pytest.mark.parametrize("name", HANDLERS)
def test_what_a_handler_does_is_not_guessed(verdict, name):
    body = "\n".join(f"    {line}" for line in HANDLERS[name].splitlines())
    more = f"async def told(self, event):\n{body}\nasync def out(self):\n    await self.send_json({{'x': 1}})\n"
    more += "def check(self):\n    return random.random()\n"
    found = verdict(consumer(more=more, before="import os\nKINDS = os.environ.get('KINDS', 'a').split()"))
    assert "told" in found.comments and "send" not in found.table.get("on_event", {}).get("told", {})


def test_send_json_of_channels_calls_the_send_of_the_consumer(verdict):
    send = "async def send(self, text_data=None, bytes_data=None, close=False):\n    pass\n"
    found = verdict(consumer(more=send + "async def told(self, event):\n    await self.send_json({'x': 1})"))
    assert "told" in found.comments


def test_what_a_log_reads_of_an_event_has_to_be_there(verdict):
    more = "async def told(self, event):\n    logger.info('%s', event['a'])\n    logger.info(f\"{event['b']}\")\n"
    found = verdict(consumer(more=more + "    await self.send_json({'x': 1})"))
    assert found.table["on_event"]["told"]["when"] == "event.a is defined and event.b is defined"


def test_true_of_a_match_is_not_one(verdict):
    more = """
async def told(self, event):
    match event['x']:
        case True:
            await self.send_json({'x': 1})
"""
    assert verdict(consumer(more=more)).table["on_event"]["told"]["when"] == "event.x is true"


def test_the_same_question_in_other_words_has_the_same_answer(verdict):
    more = """
async def receive_json(self, content):
    if content["type"] == "admin":
        if content.get("type") == "admin" and not self.scope["user"].is_staff:
            return
        await self.send_json({"secret": 1})
"""
    found = verdict(consumer('self.user = self.scope["user"]\n' + ACCEPT, more))
    assert found.table["on_message"]["admin"] == [{"when": "user.is_staff | default(false)", "reply": "{'secret': 1}"}]


ADMIN = """
class Admin(AsyncJsonWebsocketConsumer):
    async def connect(self):
        if not self.scope["user"].is_staff:
            return await self.close()
        await self.accept()

class Loop(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        while True:
            await asyncio.sleep(1)
"""
#: An earlier route, a later one, and whether they share a path.
ROUTES = {
    'path("x/<slug:a>/", Loop.as_asgi())': ("x/admin/", True),
    'path("x/<int:a>/", Loop.as_asgi())': ("x/<slug:room>/", True),
    'path("x/<int:a>/", Loop.as_asgi()) ': ("x/<uuid:room>/", False),
    'path("y/<int:a>/", Loop.as_asgi())': ("x/<slug:room>/", False),
    're_path(r"^x/(?:admin|staff)/$", Admin.as_asgi())': ("x/<slug:room>/", True),
    're_path(r"^y/(?:admin|staff)/$", Admin.as_asgi())': ("x/<slug:room>/", False),
    're_path(r"^x/admin", Admin.as_asgi())': ("x/<slug:room>/", True),
    're_path(r"^x/a", Admin.as_asgi())': ("x/b/", False),
    're_path(r"min/$", Admin.as_asgi())': ("x/admin/", True),
    're_path(r"min/(?P<a>\\d+)/$", Admin.as_asgi())': ("admin/<slug:room>/", True),
}


@pytest.mark.parametrize("earlier", ROUTES)
def test_a_route_that_comes_first_keeps_its_paths(verdicts, earlier):
    later, is_shared = ROUTES[earlier]
    found = verdicts(ADMIN + consumer(), f'{earlier}, path("{later}", {{}})')[-1]
    assert (found.kind == "native") is not is_shared
    assert not is_shared or found.kind == "stays with Daphne" or found.table["django"] is True


MIDDLEWARE = """
class M:
    def __init__(self, inner):
        self.inner = inner
    async def __call__(self, scope, receive, send):
        {body}

def choose(one, other):
    async def application(scope, receive, send):
        return await (one if scope["user"].is_staff else other)(scope, receive, send)
    return application
"""


def test_a_middleware_between_the_consumer_and_its_messages_stays_there(verdict):
    def made(body):
        source = MIDDLEWARE.format(body=body) + consumer(more="async def told(self, e):\n    await self.send_json({})")
        return verdict(source, 'path("x/", M({}))').table["django"]

    assert made("return await self.inner(dict(scope), receive, send)") == ["connect"]
    refusal = 'if not scope["user"].is_staff:\n            return await send({"type": "websocket.close"})\n        '
    assert made(refusal + "await self.inner(scope, receive, send)") == ["connect"]
    assert made("return await self.inner(scope, receive, self.masked(send))") is True
    assert made("await self.inner(scope, receive, lambda one: send(dict(one)))") is True


def test_an_application_that_chooses_between_others_stays_with_daphne(verdict):
    found = verdict(ADMIN + MIDDLEWARE.format(body="pass") + consumer(), 'path("x/", choose({}, Admin.as_asgi()))')
    assert found.kind == "stays with Daphne"


def test_a_client_may_send_a_text_where_a_number_is_compared(verdict):
    """Python raises; the node would find every text greater than every number."""
    more = """
async def receive_json(self, content):
    if content["type"] == "more":
        if content["n"] > 3:
            await self.send_json({"x": 1})
    elif content["type"] == "less":
        if not content["n"] > 3:
            await self.send_json({"x": 1})
"""
    found = verdict(consumer(more=more)).table["on_message"]
    assert found["more"][0]["when"] == "message.n > 3 and message.n is number"
    assert found["less"][0]["when"] == "not message.n > 3 and message.n is number"
