"""Unknown keys and unreadable values: file, line, key, and the correct form."""

import pytest
from rig.check import refused, run

CONSUMER = '[[consumer]]\npath = "/ws/"\n'
#: A file, the key that the error names, its line, and a part of the suggested form.
MISTAKES = {
    "a key of a section": ('[api]\nkei = "x"\n', "api.kei", 2, 'did you mean "key"'),
    "a section": ('[apis]\nkey = "x"\n', "apis", 1, 'did you mean "api"'),
    "a key of a consumer": (f'{CONSUMER}auht = ["jwt"]\n', "consumer[0].auht", 3, 'did you mean "auth"'),
    "a key of a step": (
        f'{CONSUMER}[consumer.on_message.x]\nreqire = "true"\n',
        "consumer[0].on_message.x.reqire",
        4,
        'did you mean "require"',
    ),
    "a key that lies elsewhere": ('key = "x"\n[server]\nworkers = 1\n', "key", 1, "known:"),
    "a word": ('[layer]\nkind = "redis"\n', "layer.kind", 2, "known: core, pubsub, both"),
    "a way to authenticate": (f'{CONSUMER}auth = ["jwtt"]\n', "consumer[0].auth", 3, 'did you mean "jwt"'),
    "nothing to authenticate": (f"{CONSUMER}auth = []\n", "consumer[0].auth", 3, "anonymous"),
    "an origin that is not a host": (
        '[server]\nallowed_origins = ["localhost:3000"]\n',
        "server.allowed_origins",
        2,
        "example.com",
    ),
    "an asterisk for the subdomains": (
        '[server]\nallowed_origins = ["*.example.com"]\n',
        "server.allowed_origins",
        2,
        '".example.com"',
    ),
    "an origin that is a dot": ('[server]\nallowed_origins = ["."]\n', "server.allowed_origins", 2, "never match"),
    "an origin with a path": (
        '[server]\nallowed_origins = ["https://example.com/app"]\n',
        "server.allowed_origins",
        2,
        '"https://example.com"',
    ),
    "an asterisk for a port": (
        '[socketio]\ncors = ["https://example.com:*"]\n',
        "socketio.cors",
        2,
        "on every port",
    ),
    "two hosts in one": ('[server]\nallowed_origins = ["a.example b.example"]\n', "server.allowed_origins", 2, ","),
    "the name of no preset": ('presets = ["trackr"]\n', "presets", 1, 'did you mean "tracker"'),
    "a duration": ('[socket]\nping_interval = "20 parsecs"\n', "socket.ping_interval", 2, "20s"),
    "a number below zero": ("[socket]\nmax_message = -1\n", "socket.max_message", 2, "from 0"),
    "an address": ('[server]\nlisten = "8000"\n', "server.listen", 2, "127.0.0.1:8000"),
    "an invalid PEM": (
        '[auth.jwt]\nalgorithm = "RS256"\nverifying_key = "x"\n',
        "auth.jwt.verifying_key",
        3,
        "PEM",
    ),
    "no user could be known": ("[auth.ws_token]\nuser_id_keys = []\n", "auth.ws_token.user_id_keys", 2, "user_id"),
    "the query of a Redis URL": ('[layer]\nurl = "redis://h:6379/0?dbb=3"\n', "layer.url", 2, "dbb"),
    "every token of any kind": (
        '[auth.jwt]\ntoken_type_claim = "type"\ntoken_type = "ws_token"\n',
        "auth.jwt.token_type",
        3,
        "ws-token",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_its_line_and_the_correct_form(tmp_path, mistake):
    text, key, line, advice = MISTAKES[mistake]
    assert advice in refused(tmp_path, text, key, line=line)


@pytest.mark.parametrize("variable", ["CHANNELGATE__API__KEI", "CHANNELGATE_API_KEI", "CHANNELGATE_ALOWED_ORIGINS"])
def test_an_unknown_variable_is_refused(tmp_path, variable):
    verdict = run(tmp_path, "", **{variable: "x"})
    assert verdict.code == 2 and variable in verdict.errors and "did you mean" in verdict.errors, verdict.output


def test_the_variables_of_an_orchestrator_are_accepted(tmp_path):
    """Kubernetes and links of Docker name a service's address after the service."""
    address = "tcp://10.0.0.7:8000"
    env = {"CHANNELGATE_PORT": address, "CHANNELGATE_SERVICE_HOST": "10.0.0.7", "CHANNELGATE_SERVICE_PORT": "8000"}
    env |= {"CHANNELGATE_PORT_8000_TCP": address, "CHANNELGATE_SERVICE_PORT_HTTP": "8000", "CHANNELGATE_VERSION": "1"}
    verdict = run(tmp_path, "", **env)
    assert verdict.code == 0, verdict.errors


def test_a_missing_file_is_named(tmp_path):
    verdict = run(tmp_path, "", file="missing.toml")
    assert verdict.code == 2 and "missing.toml" in verdict.errors, verdict


def test_an_empty_variable_for_the_file_counts_as_unset(tmp_path):
    verdict = run(tmp_path, "", file=None, CHANNELGATE_CONFIG="")
    assert verdict.code == 0, verdict.errors


def test_every_mistake_is_reported_at_once(tmp_path):
    text = '[api]\nkei = "x"\nmax_body = 0\n[server]\nlisten = "no"\n[layer]\nkind = "redis"\n'
    verdict = run(tmp_path, text)
    assert verdict.code == 2
    for place in (":2: api.kei", ":3: api.max_body", ":5: server.listen", ":7: layer.kind"):
        assert f"channelgate.toml{place}: " in verdict.errors, verdict.errors
