"""Settings that would do nothing, or the opposite of what they say: `check` refuses each, and says what to write."""

import re

import pytest
from rig.check import refused, run

#: What stands around a row: `presets = []`, and a consumer at /ws/.
HEAD = 'presets = []\n[[consumer]]\npath = "/ws/"\n'
SOCKETIO = 'presets = []\n[[consumer]]\nprotocol = "socket.io"\npath = "/socket.io/"\n'
#: A file, the key that the error names, its line, and a part of what it says.
MISTAKES = {
    "a user where nobody has one": (f'{HEAD}groups = ["user_{{{{ user.id }}}}"]\n', "consumer[0].groups[0]", 4, "auth"),
    "the same among others": (
        f'{HEAD}auth = ["anonymous"]\ngroups = ["a", "b_{{{{ claims.org }}}}"]\n',
        "consumer[0].groups[1]",
        5,
        "on_admit",
    ),
    "claims where only Django knows the user": (
        f'{HEAD}groups = ["a_{{{{ claims.org }}}}"]\n'
        '[consumer.on_admit.call]\naction = "who"\nok = { user = "result" }\n'
        '[backend]\nurl = "http://127.0.0.1:1"\n',
        "consumer[0].groups[0]",
        4,
        "token",
    ),
    "the same for a member": (
        f'{HEAD}groups = ["a"]\npresence = {{ member = "user.id" }}\n',
        "consumer[0].presence.member",
        5,
        "auth",
    ),
    "a path that hides another": (
        'presets = []\n[[consumer]]\npath = "/ws/<path:rest>"\n[[consumer]]\npath = "/ws/orders/<int:id>/"\n',
        "consumer[1].path",
        5,
        '"/ws/<path:rest>"',
    ),
    "a name that hides a number": (
        'presets = []\n[[consumer]]\npath = "/ws/<str:name>/"\n[[consumer]]\npath = "/ws/<int:id>/"\n',
        "consumer[1].path",
        5,
        "write this consumer first",
    ),
    "one of several paths is hidden": (
        'presets = []\n[[consumer]]\npath = ["/a/", "/ws/<slug:name>"]\n[[consumer]]\npath = ["/b/", "/ws/7/"]\n',
        "consumer[1].path[1]",
        5,
        "never reached",
    ),
    "two consumers hide a third together": (
        'presets = []\n[[consumer]]\npath = "/a/x/"\n[[consumer]]\npath = "/b/<path:r>"\n'
        '[[consumer]]\nprotocol = "socket.io"\npath = "/b/socket.io/"\n',
        "consumer[2].path",
        8,
        '"/b/<path:r>"',
    ),
    "a condition of a handler without output": (
        f'{HEAD}groups = ["a"]\n[consumer.on_event.news]\nwhen = "event.n"\n',
        "consumer[0].on_event.news.when",
        6,
        'write "send"',
    ),
    "a throttle of a handler without output": (
        f'{SOCKETIO}groups = ["a"]\n[consumer.on_event.news]\nthrottle = "1/5s"\n',
        "consumer[0].on_event.news.throttle",
        7,
        'write "emit"',
    ),
    "a path that the node serves": (
        'presets = []\n[[consumer]]\npath = "/metrics"\n',
        "consumer[0].path",
        3,
        "node itself",
    ),
    "no path": ("presets = []\n[[consumer]]\npath = []\n", "consumer[0].path", 3, "names no path"),
    "a path twice": ('presets = []\n[[consumer]]\npath = ["/a/", "/a"]\n', "consumer[0].path[1]", 3, "another path"),
    "a parameter of another path": (
        'presets = []\n[[consumer]]\npath = ["/a/", "/b/<int:id>/"]\ngroups = ["b_{{ route.id }}"]\n',
        "consumer[0].groups[0]",
        4,
        "default",
    ),
    "a parameter of no path": (
        'presets = []\n[[consumer]]\npath = ["/a/<int:no>/", "/b/<int:id>/"]\ngroups = ["b_{{ route.ix }}"]\n',
        "consumer[0].groups[0]",
        4,
        "no parameter",
    ),
    "a converter of one's own": (
        'presets = []\n[[consumer]]\npath = "/y/<yyyy:year>/"\n',
        "consumer[0].path",
        3,
        "register_converter",
    ),
    "a namespace as a regular expression": (
        f"{SOCKETIO}namespace = '/^\\/workspace-\\d+$/'\n",
        "consumer[0].namespace",
        5,
        "/workspace-<int:id>",
    ),
    "a namespace's unknown converter": (f'{SOCKETIO}namespace = "/w-<number:id>"\n', "consumer[0].namespace", 5, "int"),
    "a namespace without a slash": (f'{SOCKETIO}namespace = "w-<int:id>"\n', "consumer[0].namespace", 5, "begin"),
    "a namespace with a comma": (f'{SOCKETIO}namespace = "/w,<int:id>"\n', "consumer[0].namespace", 5, "comma"),
    "a namespace whose end is unknown": (
        f'{SOCKETIO}namespace = "/<int:a><int:b>"\n',
        "consumer[0].namespace",
        5,
        "side",
    ),
    "a namespace whose group would be too long": (
        f'{SOCKETIO}namespace = "/{"w" * 90}-<int:id>"\n',
        "consumer[0].namespace",
        5,
        "80 bytes",
    ),
    "one name in path and namespace": (
        'presets = []\n[[consumer]]\nprotocol = "socket.io"\npath = "/s/<int:id>/"\nnamespace = "/w-<int:id>"\n',
        "consumer[0].namespace",
        5,
        "rename",
    ),
    "a namespace that hides another": (
        f'{SOCKETIO}namespace = "/w-<slug:name>"\n{SOCKETIO[13:]}namespace = "/w-<int:id>"\n',
        "consumer[1].namespace",
        9,
        '"/w-<slug:name>"',
    ),
    "one of many namespaces after the last connection": (
        f'{SOCKETIO}namespace = "/w-<int:id>"\nauth = ["jwt"]\npresence = {{ member = "user.id" }}\n'
        'on_offline = { room = { to = "general", event = "gone" } }\n',
        "consumer[0].on_offline.room",
        8,
        "publish",
    ),
    "a hash that a client chooses": (
        f'{HEAD}groups = ["{{{{ query.room | sha256 }}}}"]\n',
        "consumer[0].groups[0]",
        4,
        "begin it with text",
    ),
    "a hash that could go on like another group": (
        f'{HEAD}auth = ["jwt"]\ngroups = ["a_{{{{ query.room | sha256 }}}}", "a_bad{{{{ user.id }}}}"]\n',
        "consumer[0].groups[0]",
        5,
        "goes on",
    ),
    "a filter that does not exist": (
        f'{HEAD}groups = ["a_{{{{ query.room | sha3 }}}}"]\n',
        "consumer[0].groups[0]",
        4,
        "sha3",
    ),
    "a subprotocol with a space": (f'{HEAD}subprotocols = ["chat v1"]\n', "consumer[0].subprotocols[0]", 4, "letters"),
    "an empty subprotocol": (f'{HEAD}subprotocols = ["a", ""]\n', "consumer[0].subprotocols[1]", 4, "subprotocol"),
    "a subprotocol twice": (f'{HEAD}subprotocols = ["a", "a"]\n', "consumer[0].subprotocols[1]", 4, "twice"),
    "a subprotocol of Socket.IO": (
        f'{SOCKETIO}subprotocols = ["a"]\n',
        "consumer[0].subprotocols",
        5,
        "plain WebSocket",
    ),
    "events for nobody": (f'{HEAD}[consumer.on_event.a]\nsend = "event"\n', "consumer[0].on_event", 4, "groups"),
    "gaps for nobody": (f'{HEAD}on_gap = {{ send = "gap" }}\n', "consumer[0].on_gap", 4, "groups"),
    "a topic that nobody subscribes to": (
        f'{HEAD}groups = ["a"]\n[consumer.on_event.a]\ntopic = "event.topic"\nsend = "event"\n',
        "consumer[0].on_event.a.topic",
        6,
        "subscribe",
    ),
    "a subscription without a topic": (
        f'{HEAD}groups = ["a"]\n[consumer.on_message.s]\nsubscribe = "message.names"\n',
        "consumer[0].on_message.s",
        5,
        "topic",
    ),
    "the same at connect, after an answer": (
        f'{HEAD}groups = ["a"]\n[consumer.on_connect.call]\naction = "x"\nok = {{ subscribe = "result" }}\n'
        '[backend]\nurl = "http://127.0.0.1:1"\n',
        "consumer[0].on_connect",
        5,
        "topic",
    ),
    "rules for topics without any": (
        f'{HEAD}groups = ["a"]\ntopics = {{ matching = "words" }}\n',
        "consumer[0].topics.matching",
        5,
        "topic",
    ),
    "a key of messages without handlers": (
        f'{HEAD}message_key = "action"\n',
        "consumer[0].message_key",
        4,
        "on_message",
    ),
    "a limit for no list": (f"{HEAD}max_items = 7\n", "consumer[0].max_items", 4, "each"),
    "a limit for no rooms": (f"{HEAD}max_rooms = 7\n", "consumer[0].max_rooms", 4, "choose"),
    "messages after every text": (
        f'{HEAD}[consumer.on_raw."*"]\nreply_raw = "message"\n[consumer.on_message.a]\nreply = "1"\n',
        "consumer[0].on_message",
        6,
        "on_raw",
    ),
    "messages without a handler, after a handler for all": (
        f'{HEAD}on_unknown_message = {{ reply = "1" }}\n[consumer.on_message."*"]\nreply = "message"\n',
        "consumer[0].on_unknown_message",
        4,
        "on_message",
    ),
    "a failure of nothing": (
        f'{HEAD}[consumer.on_message.x]\nfailed = "1"\nreply = "2"\n',
        "consumer[0].on_message.x.failed",
        5,
        "never sent",
    ),
}
#: The same kinds where they do something.
GOOD = {
    "on_admit sets the user": (
        f'{HEAD}auth = ["anonymous"]\ngroups = ["user_{{{{ user.id }}}}"]\n[backend]\nurl = "http://127.0.0.1:1"\n',
        'on_admit = { call = { action = "who", ok = { user = "result" } } }\n',
    ),
    "the narrower path first": (
        'presets = []\n[[consumer]]\npath = "/ws/<int:id>/"\n[[consumer]]\npath = "/ws/<str:name>/"\n'
        '[[consumer]]\npath = "/<path:rest>"\n',
        "",
    ),
    "the optional parameter of another path": (
        'presets = []\n[[consumer]]\npath = ["/a/", "/b/<int:id>/"]\n'
        "groups = [\"b_{{ route.id | default('x') }}\", \"x_{{ 'c' if route.id is defined else 'd' }}\"]\n",
        "",
    ),
    "the narrower namespace first": (
        f'{SOCKETIO}namespace = "/w-<int:id>"\n{SOCKETIO[13:]}namespace = "/w-<slug:name>"\n'
        f'{SOCKETIO[13:]}namespace = "/w-7"\n{SOCKETIO[13:]}namespace = "/w-<int:id>"\nname = "b"\n',
        "",
    ),
    "a hash that cannot go on like another group": (
        f'{HEAD}auth = ["jwt"]\ngroups = ["a_{{{{ query.room | sha256 }}}}", "a_room{{{{ user.id }}}}"]\n',
        "",
    ),
    "a user or not": (
        f"{HEAD}groups = [\"x_{{{{ user.id if user else 'me' }}}}\", \"{{{{ ['u_' ~ user.id] if user else [] }}}}\"]\n"
        'presence = { member = "user.id if user else id" }\n',
        "",
    ),
    "a claim or not": (f"{HEAD}groups = [\"org_{{{{ claims.org | default('none') }}}}\"]\n", ""),
    "a preset's path among several": (
        'presets = ["parking", "feed"]\n[[consumer]]\npath = ["/ws/n/", "/ws/notifications"]\n',
        "",
    ),
    "the root, where the page is": ('presets = []\n[[consumer]]\npath = "/"\n', ""),
    "events after a join": (
        f'{HEAD}[consumer.on_message.j]\njoin = "room_{{{{ message.n }}}}"\n[consumer.on_event.a]\nsend = "event"\n',
        "",
    ),
    "events after a signed group": (
        f'{HEAD}[consumer.on_message.w]\njoin_token = "message.t"\n[consumer.on_event.a]\nsend = "event"\n'
        '[backend]\nsecret = "a secret"\nurl = "http://127.0.0.1:9/x"\n',
        "",
    ),
    "events for those whom an order lets join": (
        f'{HEAD}name = "board"\n[consumer.on_event.a]\nsend = "event"\n',
        "",
    ),
    "topics that all get": (
        f'{HEAD}groups = ["a"]\ntopics = {{ before_subscribe = "all" }}\n'
        '[consumer.on_event.a]\ntopic = "event.t"\nsend = "event"\n',
        "",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_setting_without_an_effect_is_refused(tmp_path, mistake):
    text, key, line, advice = MISTAKES[mistake]
    assert advice in refused(tmp_path, text, key, line=line)


@pytest.mark.parametrize("good", GOOD)
def test_a_setting_with_an_effect_is_taken(tmp_path, good):
    text, more = GOOD[good]
    head, _, rest = text.partition("[backend]")
    verdict = run(tmp_path, f"{head}{more}{'[backend]' + rest if rest else ''}")
    assert verdict.code == 0, verdict.errors


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHANNELGATE_ALLOWED_ORIGINS", "https://a.example https://b.example"),
        ("CHANNELGATE_ALLOWED_ORIGINS", "https://a.example,  https://b.example\nc.example "),
        ("CHANNELGATE__SERVER__ALLOWED_ORIGINS", "a.example\tb.example"),
        ("CHANNELGATE_ALLOWED_ORIGINS", '["https://a.example", "b.example"]'),
        ("CHANNELGATE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8 127.0.0.1"),
        ("CHANNELGATE__SOCKETIO__TRANSPORTS", "polling websocket"),
        ("CHANNELGATE__SOCKETIO__CORS", "https://a.example https://b.example"),
        ("CHANNELGATE__AUTH__JWT__SOURCES", "header query:token"),
    ],
)
def test_spaces_separate_the_items_of_a_list(tmp_path, variable, value):
    verdict = run(tmp_path, "", **{variable: value})
    assert verdict.code == 0, verdict.errors


@pytest.mark.parametrize("value", ["https://a.example;https://b.example", "a.example,,b.example", "a.example|b"])
def test_other_separators_are_refused(tmp_path, value):
    assert "," in refused(tmp_path, "", "server.allowed_origins", CHANNELGATE_ALLOWED_ORIGINS=value)


def test_a_preset_that_a_path_of_the_file_hides_can_only_be_taken_out(tmp_path):
    verdict = run(tmp_path, 'presets = ["parking"]\n[[consumer]]\npath = "/ws/<str:room>/"\n')
    assert verdict.code == 2
    assert re.search(r"^presets/parking.toml:\d+: consumer\[1\]\.path: .*out of \"presets\"", verdict.errors, re.M)


def test_many_consumers_are_compared_quickly(tmp_path):
    paths = "".join(f'[[consumer]]\npath = "/ws/<str:t>/a{n}/<uuid:id>/<slug:name>/"\n' for n in range(200))
    # A debug build on a busy machine; the limit of the command is 20 s.
    assert run(tmp_path, paths).code == 0
