"""The law: what init writes never admits, joins or sends more than the consumer does."""

import pytest

CONNECT = """
class C(AsyncJsonWebsocketConsumer):
    async def connect(self):
{body}

    async def allowed(self):
        return self.scope["user"].is_staff

    @database_sync_to_async
    def in_database(self):
        return True

    async def said(self, event):
        await self.send_json({{"text": event["text"]}})
"""


def is_python(found, part="connect"):
    """Whether Django runs this part."""
    django = found.table.get("django", [])
    return django is True or part in django


def connect(body):
    return CONNECT.format(body="\n".join(f"        {line}" for line in body.strip("\n").splitlines()))


#: Bodies of connect() that stay in Python: each has a statement whose effect on the admission is not known.
IN_PYTHON = {
    "a query": "if not await self.in_database():\n    await self.close()\n    return\nawait self.accept()",
    "a query that nobody uses": "await self.in_database()\nawait self.accept()",
    "a statement that is not known": "random.seed(1)\nawait self.accept()",
    "a header": 'if b"x" not in dict(self.scope["headers"]):\n    return await self.close()\nawait self.accept()',
    "a permission": 'if not self.scope["user"].has_perm("x.y"):\n    return await self.close()\nawait self.accept()',
    "a group of the user": 'if not self.scope["user"].groups.exists():\n    return\nawait self.accept()',
    "an attribute that the node lacks": 'if not self.scope["user"].email:\n    return\nawait self.accept()',
    "the session": 'if "cart" not in self.scope["session"]:\n    return\nawait self.accept()',
    "a setting that may be a secret": 'if self.scope["url_route"]["kwargs"]["room"] != settings.SECRET_KEY:\n'
    "    return\nawait self.accept()",
    "a token in the query": 'from urllib.parse import parse_qs\nq = parse_qs(self.scope["query_string"].decode())\n'
    'if q["token"][0] != "swordfish":\n    return await self.close()\nawait self.accept()',
    "chance": "if random.random() > 0.5:\n    return\nawait self.accept()",
    "the time": "if time.time() > 5 and datetime.datetime.now().hour > 9:\n    return\nawait self.accept()",
    "a loop": "for one in range(3):\n    await self.in_database()\nawait self.accept()",
    "an except that goes on": "try:\n    await self.in_database()\nexcept Exception:\n    pass\nawait self.accept()",
    "an except that admits": 'try:\n    int(self.scope["url_route"]["kwargs"]["room"])\nexcept ValueError:\n'
    "    await self.accept()",
    "a with": "async with asyncio.timeout(1):\n    await self.accept()",
    "accept after close": "await self.close()\nawait self.accept()",
    "headers of accept": 'await self.accept(headers=[(b"x", b"y")])',
    "nobody": "await self.close()",
    "a frame to whom it refuses": 'await self.accept()\nif self.scope["user"].is_anonymous:\n'
    '    await self.send_json({"error": "no"})\n    await self.close()',
    "an event for whom it refuses": 'await self.channel_layer.group_send("x", {"type": "said", "text": "knock"})\n'
    'if self.scope["user"].is_anonymous:\n    return await self.close()\nawait self.accept()',
    "a group of another": 'await self.channel_layer.group_add("x", "another")\nawait self.accept()',
    "a group that is only a value": 'await self.channel_layer.group_add(self.scope["url_route"]["kwargs"]["room"], '
    "self.channel_name)\nawait self.accept()",
    "a group with a character that Channels refuses": 'await self.channel_layer.group_add("a:b", self.channel_name)\n'
    "await self.accept()",
    "a group of a branch": 'room = self.scope["url_route"]["kwargs"]["room"]\nif room != "lobby":\n'
    '    await self.channel_layer.group_add(f"r_{room}", self.channel_name)\nawait self.accept()',
    "a group of a hash": 'await self.channel_layer.group_add("h_" + hashlib.sha256(b"x").hexdigest()[:9], '
    "self.channel_name)\nawait self.accept()",
    "another layer": 'from channels.layers import get_channel_layer\nlayer = get_channel_layer("second")\n'
    'await layer.group_add("x", self.channel_name)\nawait self.accept()',
    "a group that it leaves": 'await self.channel_layer.group_add("x", self.channel_name)\nawait self.accept()\n'
    'await self.channel_layer.group_discard("x", self.channel_name)',
    "two ways to refuse": 'if self.scope["user"].is_anonymous:\n    return await self.close()\nawait self.accept()\n'
    'if not self.scope["user"].is_staff:\n    await self.close(code=4003)\n    return\n'
    'if self.scope["url_route"]["kwargs"]["room"] == "x":\n    await self.close(code=4003)\n    return\n'
    "await self.in_database()",
    "an assignment into the scope": 'self.scope["user"] = AnonymousUser()\nawait self.accept()',
    "another user": 'user = await User.objects.aget(pk=1)\nawait self.channel_layer.group_add(f"u_{user.pk}", '
    "self.channel_name)\nawait self.accept()",
    "a raise after accept": 'await self.accept()\nif self.scope["user"].is_anonymous:\n    raise StopConsumer()',
}


@pytest.mark.parametrize("name", IN_PYTHON)
def test_what_is_not_understood_in_connect_leaves_it_in_python(verdict, name):
    found = verdict(connect(IN_PYTHON[name]))
    assert is_python(found)
    assert not {"auth", "groups", "on_admit", "on_connect"} & set(found.table)
    assert found.why and ".py:" in found.why[0]


#: Bodies that the node admits by itself, and what it must ask.
GUARDED = {
    "not user.is_authenticated": {"auth": ["django"]},
    "user.is_anonymous": {"auth": ["django"]},
    "not user or user.is_anonymous": {"auth": ["django"]},
    "user is None or isinstance(user, AnonymousUser)": {"auth": ["django"]},
    "not (user.is_authenticated and user.is_staff)": {"auth": ["django"], "on_admit": [{"require": "user.is_staff"}]},
    "user.is_anonymous or not user.is_superuser": {
        "auth": ["django"],
        "on_admit": [{"require": "user.is_superuser"}],
    },
    "not await self.allowed()": {
        "auth": ["django", "anonymous"],
        "on_admit": [{"require": "user.is_staff | default(false)"}],
    },
    "user.is_anonymous or room == 'staff'": {"auth": ["django"], "on_admit": [{"require": "route.room != 'staff'"}]},
    "user.is_anonymous or room not in ('a', 'b')": {
        "auth": ["django"],
        "on_admit": [{"require": "route.room in ['a', 'b']"}],
    },
}


@pytest.mark.parametrize("guard", GUARDED)
@pytest.mark.parametrize("is_accepted_first", [False, True])
def test_a_guard_is_asked(verdict, guard, is_accepted_first):
    lines = ['user = self.scope["user"]', 'room = self.scope["url_route"]["kwargs"]["room"]']
    if is_accepted_first:
        lines += ["await self.accept()", f"if {guard}:", "    await self.close(code=4001)"]
    else:
        lines += [f"if {guard}:", "    await self.close(code=4001)", "    return", "await self.accept()"]
    found = verdict(connect("\n".join(lines)))
    wanted = GUARDED[guard]
    assert found.kind == "native"
    assert found.table["auth"] == wanted["auth"]
    asked = found.table.get("on_admit", [])
    if not is_accepted_first:
        assert asked == wanted.get("on_admit", [])
    else:
        assert len(asked) == len(wanted.get("on_admit", []))
        assert all(step["refuse"]["code"] == 4001 for step in asked)


#: Handlers that stay in Python, each with what a node could only do otherwise.
PYTHON_HANDLERS = {
    "a query": "user = await User.objects.aget(pk=event['pk'])\nawait self.send_json({'name': user.username})",
    "a method that is not known": "await self.send_json({'x': random.random()})",
    "state": "self.last = event['x']\nawait self.send_json({'x': 1})",
    "an attribute that others change": "if self.muted:\n    return\nawait self.send_json({'x': 1})",
    "an event to others": "await self.channel_layer.group_send('x', {'type': 'said', 'text': 'y'})",
    "a value of the user": "await self.send_json({'you': self.scope['user'].username})",
    "the channel": "await self.send_json({'channel': self.channel_name})",
    "a sum of both sides": "if event['a'] + self.scope['user'].id > 3:\n    await self.send_json({'x': 1})",
    "an order of both sides": "if event['a'] > self.scope['user'].id:\n    await self.send_json({'x': 1})",
    "an except that sends": "try:\n    await self.send_json({'x': event['x']})\nexcept KeyError:\n"
    "    await self.send_json({'error': 1})",
    "a raise": "raise ValueError",
    "a raise of a branch": "if event['x']:\n    raise ValueError\nawait self.send_json({'x': 1})",
    "a loop": "for one in event['rows']:\n    await self.send_json(one)",
    "a template": "await self.send(text_data=json.dumps({'x': '%5d' % event['x']}))",
    "bytes": "await self.send(bytes_data=b'x')",
    "an encoder": "await self.send(text_data=json.dumps(event, cls=json.JSONEncoder))",
    "keys in an order": "await self.send(text_data=json.dumps(event, sort_keys=True))",
    "an integer of text": "await self.send_json({'x': int(event['x'])})",
    "a float as text": "await self.send_json({'x': f'{1.5 * event[\"x\"]:.1f}'})",
    "the identity": "if event['x'] is event['y']:\n    await self.send_json({'x': 1})",
    "a close that is not the last": "await self.close()\nawait self.send_json({'x': 1})",
    "a decorator": "@",
}


@pytest.mark.parametrize("name", PYTHON_HANDLERS)
def test_what_is_not_understood_in_a_handler_leaves_it_in_python(verdict, name):
    body = PYTHON_HANDLERS[name]
    decorated = body == "@"
    lines = ["await self.send_json({'x': 1})"] if decorated else body.splitlines()
    source = connect("self.muted = False\nawait self.accept()") + "\n".join(
        [
            "",
            "    async def mute(self, event):",
            "        self.muted = True",
            "",
            *(["    @functools.lru_cache"] if decorated else []),
            "    async def told(self, event):",
            *(f"        {line}" for line in lines),
            "",
            "",
            "def notify():",
            "    async_to_sync(None.group_send)('x', {'type': 'told'})",
            "",
        ]
    )
    found = verdict(source)
    assert "connect" in found.table["django"]
    event = found.table["on_event"].get("told")
    assert event is None or set(event) == {"python_per"}
    assert "told" in found.comments
    assert found.table["on_event"]["said"] == {"send": "{'text': event.text}"}


def test_every_condition_of_a_handler_is_asked(verdict):
    source = connect("self.user = self.scope['user']\nawait self.accept()")
    source += """
    async def told(self, event):
        if not self.user.is_authenticated:
            return
        if event.get("draft"):
            return
        if event["author"] == self.user.id:
            return
        await self.send_json({"text": event["text"]})
"""
    found = verdict(source)
    assert found.table["on_event"]["told"]["when"] == (
        "user and not event.get('draft') and event.author != user.id | default(none)"
    )
    assert found.table["auth"] == ["django", "anonymous"]


def test_what_python_takes_from_an_event_has_to_be_there(verdict):
    """`{**event["data"]}` raises without data, where dict() of the node would go on."""
    source = connect("await self.accept()")
    source += """
    async def told(self, event):
        await self.send_json({"type": "x", **event["data"]})
"""
    assert verdict(source).table["on_event"]["told"]["when"] == "event.data is defined"


def test_a_key_that_python_reads_and_nobody_uses_has_to_be_there(verdict):
    """Python raises without it, and sends nothing."""
    source = connect("await self.accept()")
    source += """
    async def told(self, event):
        user = event["user"]
        text = event["text"].strip()
        if event["draft"]:
            logger.info("a draft of %s", user)
        await self.send_json({"x": event.get("x")})

    async def either(self, event):
        await self.send_json({"x": event["a"] if event.get("b") else 0})

    async def both(self, event):
        name = event["name"]
        if event["a"] and event["b"]:
            await self.send_json({"x": name})

    async def parts(self, event):
        name = event["b"]
        await self.send_json({"x": event["a"] and event["b"], "y": event["c"] or name})

    async def receive_json(self, content):
        text = content["text"]
        if content["type"] == "ping":
            await self.send_json({"type": "pong"})
        elif content["type"] == "echo":
            await self.send_json({"text": text})
"""
    table = verdict(source).table
    assert table["on_event"]["told"]["when"] == (
        "event.user is defined and event.text is defined and event.text.strip() is defined and event.draft is defined"
    )
    assert "when" not in table["on_event"]["either"]
    assert table["on_event"]["both"]["when"] == "event.a and event.b"
    assert table["on_event"]["parts"]["when"] == "event.b is defined"
    assert table["on_message"]["ping"] == [{"when": "message.text is defined", "reply": "{'type': 'pong'}"}]
    assert table["on_message"]["echo"] == [{"reply": "{'text': message.text}"}]


def test_what_is_logged_is_evaluated(verdict):
    """Where that raises, the method ends; where it may do something, it stays in Python."""
    source = """
def log(user):
    random.seed(user)


class Journal:
    def save(self, text):
        random.seed(text)
""" + connect("await self.accept()")
    source += """
    async def told(self, event):
        print(f"told by {event['user']:>5}", event["place"])
        logger.debug("told: %s", event["text"].upper())
        await self.send_json({"x": 1})

    async def first(self, event):
        log(event["user"])
        await self.send_json({"x": 1})

    async def second(self, event):
        logger.info("%s", self.count())
        await self.send_json({"x": 1})

    async def third(self, event):
        self.log.save(event["text"])
        await self.send_json({"x": 1})

    async def fourth(self, event):
        global latest
        latest = event["x"]
        await self.send_json({"x": 1})

    def count(self):
        return random.random()
"""
    events = verdict(source).table["on_event"]
    assert "event.place is defined" in events["told"]["when"]
    assert "event.text is defined and event.text.upper() is defined" in events["told"]["when"]
    assert not {"first", "second", "third", "fourth"} & set(events)


def test_a_parameter_of_the_query_has_to_be_there(verdict):
    body = """
from urllib.parse import parse_qs
query = parse_qs(self.scope["query_string"].decode())
page = query["page"][0]
await self.channel_layer.group_add("pages", self.channel_name)
await self.accept()
"""
    assert verdict(connect(body)).table["on_admit"] == [{"require": "query.page"}]


def test_true_is_not_one(verdict):
    source = connect("await self.accept()")
    source += """
    async def told(self, event):
        if event["x"] is True:
            await self.send_json({"x": 1})
"""
    assert verdict(source).table["on_event"]["told"]["when"] == "event.x is true"


def test_a_uuid_is_compared_in_python_only(verdict):
    source = connect("self.room = self.scope['url_route']['kwargs']['room']\nawait self.accept()")
    source += """
    async def told(self, event):
        if event["room"] == self.room:
            await self.send_json({"x": 1})
"""
    assert "told" not in verdict(source, 'path("x/<uuid:room>/", {})').table["on_event"]
    assert "told" in verdict(source, 'path("x/<slug:room>/", {})').table["on_event"]


def test_a_decorated_connect_stays_in_python_also_where_the_decorator_is_not_in_the_source(verdict):
    source = connect("await self.accept()")
    source += """

def checked(function):
    @functools.wraps(function)
    async def check(self):
        if self.scope["user"].is_staff:
            await function(self)
    return check

C.connect = checked(C.connect)
"""
    assert is_python(verdict(source))


def test_what_a_decorated_method_changes_is_known(verdict):
    source = connect("self.user = self.scope['user']\nawait self.accept()")
    source = (
        """
def logged(function):
    @functools.wraps(function)
    async def log(self, *args):
        return await function(self, *args)
    return log
"""
        + source
    )
    source += """
    @logged
    async def receive_json(self, content):
        self.user = None

    async def told(self, event):
        if event["to"] == self.user.id:
            await self.send_json({"x": 1})
"""
    found = verdict(source)
    assert is_python(found, "receive")
    assert "told" not in found.table["on_event"]


def test_an_attribute_that_some_other_method_sets_is_not_known(verdict):
    source = connect("self.user = self.scope['user']\nawait self.accept()")
    source += """
    async def become(self, user, why):
        self.user = user

    async def told(self, event):
        if event["to"] == self.user.id:
            await self.send_json({"x": 1})
"""
    assert "told" not in verdict(source).table["on_event"]
    assert "told" in verdict(source.replace("self.user = user", "pass")).table["on_event"]


def test_what_disconnect_does_besides_leaving_groups_is_done(verdict):
    source = connect("await self.in_database()\nawait self.accept()")
    leaving = """
    async def disconnect(self, code):
        logger.info("gone: %s", code)
        await self.channel_layer.group_discard("x", self.channel_name)
"""
    assert verdict(source + leaving).table["django"] == ["connect"]
    for more in (
        "await self.in_database()",
        "self.report.error('gone')",
        "await self.channel_layer.group_send('x', {'type': 'said', 'text': 'y'})",
    ):
        found = verdict(source + leaving + f"        {more}\n")
        assert found.table["django"] == ["connect", "disconnect"]
    native = connect("await self.accept()") + leaving
    native += "        await self.channel_layer.group_send('x', {'type': 'said', 'text': 'y'})\n"
    found = verdict(native)
    assert found.kind == "native"
    publish = {"group": "x", "event": "{'type': 'said', 'text': 'y'}"}
    assert found.table["on_disconnect"] == [{"publish": publish}]


def test_a_group_that_another_template_can_name_is_left_to_django(verdicts):
    """The node would refuse the room `staff`, which Channels lets two consumers share."""
    group = "await self.channel_layer.group_add({}, self.channel_name)\nawait self.accept()"
    source = connect(group.format("f\"room_{self.scope['url_route']['kwargs']['room']}\""))
    source += connect(group.format("'room_staff'")).replace("class C(", "class D(")
    routes = 'path("x/<slug:room>/", {}), path("y/", D.as_asgi())'
    rooms, staff = verdicts(source, routes)
    assert rooms.table["django"] is True and staff.table["groups"] == ["room_staff"]
    rooms, staff = verdicts(source.replace("room_staff", "staff"), routes)
    assert rooms.table["groups"] == ["room_{{ route.room }}"]


def test_a_method_that_the_consumer_replaces_on_itself_stays_in_python(verdict):
    source = (
        connect("self.said = self.other\nawait self.accept()") + "\n    async def other(self, event):\n        pass\n"
    )
    assert verdict(source).table["django"] is True


def test_a_mixin_of_the_project_counts(verdict):
    source = """
    class Closed:
        async def connect(self):
            if not self.scope["user"].is_staff:
                await self.close()
                return
            await super().connect()

    class C(Closed, AsyncJsonWebsocketConsumer):
        pass
    """
    assert verdict(source).table["on_admit"] == [{"require": "user.is_staff | default(false)"}]


def test_flags_of_a_user_are_not_taken_for_each_other(verdict):
    for flag in ("is_staff", "is_superuser"):
        guard = f'if not self.scope["user"].{flag}:\n    return await self.close()\nawait self.accept()'
        assert verdict(connect(guard)).table["on_admit"] == [{"require": f"user.{flag} | default(false)"}]
    # The node does not know it.
    guard = 'if not self.scope["user"].is_active:\n    return await self.close()\nawait self.accept()'
    assert "connect" in verdict(connect(guard)).table["django"]


def describes_less(user):
    return {"id": user.pk}


def describes_another(user):
    return {"id": user.username, "name": user.pk}


@pytest.mark.parametrize(("describe", "group"), [(describes_less, "u_{{ user.id }}"), (describes_another, None)])
def test_describe_decides_what_the_node_knows_of_a_user(verdict, settings, describe, group):
    settings.CHANNELGATE = {**settings.CHANNELGATE, "DESCRIBE": f"{__name__}.{describe.__name__}"}
    body = """
user = self.scope["user"]
if user.is_anonymous:
    return
await self.channel_layer.group_add(f"u_{user.id}", self.channel_name)
await self.accept()
"""
    found = verdict(connect(body))
    # The other function's `name` is the primary key.
    assert found.table["groups"] == [group or "u_{{ user.name }}"]
    named = verdict(connect(body.replace("user.id", "user.first_name")))
    assert "connect" in named.table["django"]


@pytest.mark.parametrize("setting", ["AUTHENTICATORS", "REST_FRAMEWORK"])
def test_a_way_to_log_in_that_channels_lacks_keeps_the_login_in_python(verdict, settings, setting):
    body = 'if self.scope["user"].is_anonymous:\n    return\nawait self.accept()'
    if setting == "AUTHENTICATORS":
        settings.CHANNELGATE = {**settings.CHANNELGATE, "AUTHENTICATORS": ["shop.auth.by_ticket", "session"]}
    else:
        settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["shop.auth.Everybody"]}
    assert "connect" in verdict(connect(body)).table["django"]
    settings.CHANNELGATE = {**settings.CHANNELGATE, "AUTHENTICATORS": ["session"]}
    assert verdict(connect(body)).table["auth"] == ["django"]


def test_what_an_unknown_middleware_admits_is_its_own_affair(verdict):
    source = (
        "class Middleware:\n    def __init__(self, inner):\n        self.inner = inner\n\n"
        "    async def __call__(self, scope, receive, send):\n        return await self.inner(scope, receive, send)\n"
    ) + connect("await self.accept()")
    assert "connect" in verdict(source, outside="Middleware").table["django"]
    assert verdict(connect("await self.accept()"), outside=None).kind == "native"


def test_nothing_that_may_be_a_secret_is_written(verdict, settings):
    settings.PAYMENT_TOKEN = "swordfish"
    bodies = [
        'await self.send_json({"x": settings.PAYMENT_TOKEN})',
        'if content.get("password") == "swordfish":\n    await self.send_json({"x": 1})',
        'match content["api_key"]:\n    case "swordfish":\n        await self.send_json({"x": 1})',
        'if content["token"] in ("swordfish", "y"):\n    await self.send_json({"x": 1})',
        'API_KEY = "swordfish"\nif content["x"] == 1:\n    await self.in_database(API_KEY)',
    ]
    from channelgate.translate import write

    for body in bodies:
        lines = "\n".join(f"        {line}" for line in body.splitlines())
        source = connect("await self.accept()") + f"\n    async def receive_json(self, content):\n{lines}\n"
        found = verdict(source)
        assert "receive" in found.table["django"], body
        assert "swordfish" not in write.consumer(found), body


def test_bad_json_is_never_answered_where_the_consumer_does_not(verdict):
    source = """
    class C(AsyncWebsocketConsumer):
        async def receive(self, text_data):
            try:
                content = json.loads(text_data)
            except ValueError:
                await self.send(json.dumps({"error": "no JSON"}))
                return
            await self.send(json.dumps({"echo": content["x"]}))
    """
    # A binary message is a TypeError of receive(), and not answered.
    assert "receive" in verdict(source).table["django"]
    both = source.replace("(self, text_data)", "(self, text_data=None, bytes_data=None)")
    assert "receive" in verdict(both).table["django"]
    found = verdict(both.replace("except ValueError", "except (TypeError, ValueError)"))
    assert found.table["on_bad_json"] == {"reply": "{'error': 'no JSON'}"}


def test_a_route_behind_one_that_may_take_its_paths_is_left_to_django(verdicts):
    """The node would serve `/x/a/` with the second consumer, where Django's router takes the first."""
    source = connect("await self.accept()")
    source += connect("await self.accept()").replace("class C(", "class D(")
    behind = [
        r're_path(r"^x/(?:a|b)/$", {}), path("x/<slug:room>/", D.as_asgi())',
        r're_path(r"^x/", {}), path("x/<slug:room>/", D.as_asgi())',
        r're_path(r"y/$", {}), path("x/y/", D.as_asgi())',
        r're_path(r"^x/(?:a|b)/$", {}), path("x/a/", D.as_asgi())',
    ]
    for routes in behind:
        assert verdicts(source, routes)[-1].table["django"] is True, routes
    for routes in (
        r're_path(r"^x/(?:a|b)/$", {}), path("x/c/", D.as_asgi())',
        'path("x/a/", {}), path("x/<slug:room>/", D.as_asgi())',
    ):
        assert verdicts(source, routes)[-1].kind == "native", routes


def test_a_value_that_a_converter_of_the_project_makes_is_not_known(verdict):
    source = connect("self.year = self.scope['url_route']['kwargs']['year']\nawait self.accept()")
    source += """
    async def receive_json(self, content):
        await self.send_json({"year": self.year, "type": content["type"]})


class Year:
    regex = "[0-9]{4}"

    def to_python(self, value):
        return int(value) + 1

    def to_url(self, value):
        return str(value)


from django.urls import register_converter
register_converter(Year, "year_of_law")
"""
    found = verdict(source, 'path("x/<year_of_law:year>/", {})')
    assert found.table["django"] == ["connect", "receive"]


def test_origins_that_can_match_nothing_are_left_out(verdicts, settings):
    from channelgate.translate import project

    settings.ALLOWED_HOSTS = [
        "localhost:3000",
        "*.example.com",
        ".example.org",
        "[::1]",
        "https://a.example:8443",
        "null",
    ]
    found = verdicts(connect("await self.accept()"), outside="allowed")
    assert project._origins(found) == [".example.org", "[::1]", "https://a.example:8443"]


def test_events_of_the_name_of_a_method_of_channels_stay_in_python(verdict):
    source = connect("await self.accept()")
    source += """

def notify():
    async_to_sync(None.group_send)("x", {"type": "send.json", "text": "y"})
"""
    assert "connect" in verdict(source).table["django"]


def test_a_message_of_the_name_of_all_others_stays_in_python(verdict):
    source = connect("await self.accept()")
    source += """
    async def receive_json(self, content):
        if content.get("type") == "*":
            await self.send_json({"x": 1})
"""
    assert "receive" in verdict(source).table["django"]


def test_two_routes_that_the_node_cannot_tell_apart_are_left_to_django(verdict):
    route = r're_path(r"^x/(?P<room>\d+)/$", {0}), re_path(r"^x/(?P<room>\w+)/$", {0})'
    found = verdict(connect("await self.accept()"), route)
    assert found.table == {"path": "/x/<slug:room>/", "django": True}


def test_a_route_that_channels_never_reaches_stays(verdicts):
    """Channels opens the end of a `path()` for a `URLRouter` alone: one inside a middleware gets an empty rest."""
    source = """
        class C(AsyncJsonWebsocketConsumer):
            async def connect(self):
                await self.accept()
        inner = [path("y/", C.as_asgi()), path("", C.as_asgi())]
    """
    route = """path("in/", AuthMiddlewareStack(URLRouter(inner))), path("out/", URLRouter(inner)),
        re_path("^whole/$", URLRouter(inner)), re_path("^open/", AuthMiddlewareStack(URLRouter(inner)))"""
    found = {one.route.shown: one for one in verdicts(source, route, outside="")}
    for reached in ("in/", "out/y/", "out/", "^whole/$", "^open/y/", "^open/"):
        assert found[reached].kind != "stays with Daphne", reached
    for never in ("in/y/", "^whole/$y/"):
        assert found[never].kind == "stays with Daphne"
        assert "Channels never reaches it: " in found[never].why_line
