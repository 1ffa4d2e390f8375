"""The setting `CHANNELGATE`: its checks, and what the package does without the parts that a project lacks."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from channelgate import checks
from channelgate import conf as conf_module
from channelgate.conf import conf

S = "secret"
WRONG = [
    ({"SECERT": S}, "E002", 'CHANNELGATE["SECERT"] is not a setting. Did you mean "SECRET"?'),
    ({"secret": S}, "E002", 'CHANNELGATE["secret"] is not a setting. Did you mean "SECRET"?'),
    ({"REDIS": "redis://x"}, "E002", 'CHANNELGATE["REDIS"] is not a setting. Did you mean "REDIS_URL"?'),
    ({"LOGOUT": True}, "E002", 'CHANNELGATE["LOGOUT"] is not a setting. Did you mean "DISCONNECT_ON_LOGOUT"?'),
    ({"PUBLISH": {"TIME": 1}}, "E002", 'CHANNELGATE["PUBLISH"]["TIME"] is not a setting. Did you mean "TIMEOUT"?'),
    ({"WS_TOKEN": {"TTL": 1}}, "E002", 'CHANNELGATE["WS_TOKEN"]["TTL"] is not a setting.'),
    ({"ZZZ": S}, "E002", 'CHANNELGATE["ZZZ"] is not a setting.'),
    (
        {"BRIDGE": {"MODEL": "pk"}},
        "E002",
        'CHANNELGATE["BRIDGE"]["MODEL"] is not a setting. Did you mean "MODELS"?',
    ),
    ({"BRIDGE": {"MODELS": "rows"}}, "E005", "CHANNELGATE[\"BRIDGE\"][\"MODELS\"] must be one of 'snapshot', 'pk'."),
    (
        {"BRIDGE": {"MIDDLEWARE": True}},
        "E005",
        "CHANNELGATE[\"BRIDGE\"][\"MIDDLEWARE\"] must be one of 'connect', 'every'.",
    ),
    ({"BRIDGE": {"MAX_STATE": "64k"}}, "E005", 'CHANNELGATE["BRIDGE"]["MAX_STATE"] must be a number of bytes.'),
    ({"BRIDGE": []}, None, None),
    ({"BRIDGE": "x"}, "E005", 'CHANNELGATE["BRIDGE"] must be a dictionary.'),
    (
        {"BRIDGE": {"REPLAY_CACHE": "none"}},
        "E005",
        'CHANNELGATE["BRIDGE"]["REPLAY_CACHE"] is "none", which CACHES does not have.',
    ),
    ({"SECRET": 7}, "E005", 'CHANNELGATE["SECRET"] must be a text or a list of texts.'),
    ({"SECRET": [S, None]}, "E005", 'CHANNELGATE["SECRET"] must be a text or a list of texts.'),
    ({"DESCRIBE": "nowhere.describe"}, "E004", 'CHANNELGATE["DESCRIBE"] cannot be imported: '),
    ({"DESCRIBE": "channelgate.users.nothing"}, "E004", 'CHANNELGATE["DESCRIBE"] cannot be imported: '),
    ({"AUTHENTICATORS": "session"}, "E005", 'CHANNELGATE["AUTHENTICATORS"] must be a list of names, or None.'),
    ({"AUTHENTICATORS": []}, "E005", 'CHANNELGATE["AUTHENTICATORS"] must be a list of names, or None.'),
    (
        {"AUTHENTICATORS": ["nowhere.at_all"]},
        "E007",
        'CHANNELGATE["AUTHENTICATORS"] has "nowhere.at_all", which ',
    ),
    ({"AUTHENTICATORS": ["channelgate.users.describe", "session"]}, None, None),
    ({"DISCONNECT_ON_LOGOUT": "yes"}, "E005", 'CHANNELGATE["DISCONNECT_ON_LOGOUT"] must be True or False.'),
    ({"URL": "127.0.0.1:8001"}, "E005", 'CHANNELGATE["URL"] must be a URL of a node, such as "http://127.0.0.1:8001".'),
    ({"URL": None}, "E005", 'CHANNELGATE["URL"] must be a URL of a node'),
    ({"URL": "http://[::1"}, "E005", 'CHANNELGATE["URL"] must be a URL of a node'),
    ({"REDIS_URL": 6379}, "E005", 'CHANNELGATE["REDIS_URL"] must be a URL, or a dictionary as an entry of "hosts".'),
    ({"PREFIX": ""}, "E005", 'CHANNELGATE["PREFIX"] must be a text, and not empty.'),
    ({"API_KEY": 7}, "E005", 'CHANNELGATE["API_KEY"] must be a text, or None.'),
    ({"API_KEY": "the-key\n"}, "E005", 'CHANNELGATE["API_KEY"] must be printable ASCII, without a line break'),
    ({"API_KEY": "ключ"}, "E005", 'CHANNELGATE["API_KEY"] must be printable ASCII, without a line break'),
    ({"CONFIG": 7}, "E005", 'CHANNELGATE["CONFIG"] must be the path of channelgate.toml, or None.'),
    ({"PUBLISH": "redis"}, "E005", 'CHANNELGATE["PUBLISH"] must be a dictionary.'),
    (
        {"PUBLISH": {"VIA": "smoke"}},
        "E005",
        "CHANNELGATE[\"PUBLISH\"][\"VIA\"] must be one of 'auto', 'layer', 'redis', 'http'.",
    ),
    ({"PUBLISH": {"ON_COMMIT": 1}}, "E005", 'CHANNELGATE["PUBLISH"]["ON_COMMIT"] must be True or False.'),
    ({"PUBLISH": {"TIMEOUT": 0}}, "E005", 'CHANNELGATE["PUBLISH"]["TIMEOUT"] must be a number of seconds, more than 0'),
    ({"PUBLISH": {"TIMEOUT": "2"}}, "E005", 'CHANNELGATE["PUBLISH"]["TIMEOUT"] must be a number of seconds'),
    ({"PUBLISH": {"CONNECTIONS": 0}}, "E005", 'CHANNELGATE["PUBLISH"]["CONNECTIONS"] must be a number from 1 to 1000.'),
    (
        {"PUBLISH": {"ON_ERROR": "ignore"}},
        "E005",
        "CHANNELGATE[\"PUBLISH\"][\"ON_ERROR\"] must be one of 'log', 'raise'.",
    ),
    ({"WS_TOKEN": {"LIFETIME": 1.5}}, "E005", 'CHANNELGATE["WS_TOKEN"]["LIFETIME"] must be a whole number of seconds'),
    (
        {"WS_TOKEN": {"FORM": "any"}},
        "E005",
        "CHANNELGATE[\"WS_TOKEN\"][\"FORM\"] must be one of 'opaque', 'jwt'.",
    ),
    (
        {"WS_TOKEN": {"CACHE": "tokens"}},
        "E005",
        'CHANNELGATE["WS_TOKEN"]["CACHE"] is "tokens", which CACHES does not have.',
    ),
    ({"WS_TOKEN": {"SINGLE_USE": None}}, "E005", 'CHANNELGATE["WS_TOKEN"]["SINGLE_USE"] must be True or False.'),
    # What has no form in a variable, an address or a name.
    ({"SECRET": "\ud800"}, "E005", 'CHANNELGATE["SECRET"] must be a text or a list of texts.'),
    ({"SECRET": [S, "a\0b"]}, "E005", 'CHANNELGATE["SECRET"] must be a text or a list of texts.'),
    ({"PREFIX": "\ud800"}, "E005", 'CHANNELGATE["PREFIX"] must be a text, and not empty.'),
    ({"CONFIG": "a\0b"}, "E005", 'CHANNELGATE["CONFIG"] must be the path of channelgate.toml, or None.'),
    ({"URL": "http://a b"}, "E005", 'CHANNELGATE["URL"] must be a URL of a node'),
    ({"URL": "http://a\nb"}, "E005", 'CHANNELGATE["URL"] must be a URL of a node'),
    ({"REDIS_URL": "redis://h:port/0"}, "E005", 'CHANNELGATE["REDIS_URL"] is not a URL: its host or its port cannot'),
    (
        {"REDIS_URL": {"address": "redis://[::1"}},
        "E005",
        'CHANNELGATE["REDIS_URL"]["address"] is not a URL: its host or its port cannot be read.',
    ),
    ({"DESCRIBE": conf}, "E005", 'CHANNELGATE["DESCRIBE"] must be the dotted name of a function, such as'),
    ({"DESCRIBE": ["shop.describe"]}, "E005", 'CHANNELGATE["DESCRIBE"] must be the dotted name of a function'),
    ({"ACTIONS_MODULE": 7}, "E005", 'CHANNELGATE["ACTIONS_MODULE"] must be the name of a module, such as "actions".'),
    ({"ACTIONS_MODULE": "shop/actions.py"}, "E005", 'CHANNELGATE["ACTIONS_MODULE"] must be the name of a module'),
    ({"BRIDGE": {"REPLAY_CACHE": []}}, "E005", 'CHANNELGATE["BRIDGE"]["REPLAY_CACHE"] must be the name of a cache'),
    ({7: S}, "E002", 'CHANNELGATE["7"] is not a setting.'),
    ([], None, None),
    ("x", "E005", "CHANNELGATE must be a dictionary."),
    ({"SECRET": [S, S], "BRIDGE": {"MODELS": "pk", "REPLAY_CACHE": "default"}}, None, None),
]


@pytest.mark.parametrize(("value", "identity", "text"), WRONG)
def test_a_mistake_is_found_by_check(value, identity, text, settings):
    settings.CHANNELGATE = value
    found = checks.check_settings()
    if identity is None:
        assert found == []
        return
    (one,) = found
    assert one.id == f"channelgate.{identity}" and one.msg.startswith(text), one.msg
    assert one.hint


@pytest.mark.parametrize("value", [value for value, *_ in WRONG])
def test_no_value_ends_the_loading_of_the_apps(value, settings):
    settings.CHANNELGATE = value
    apps.get_app_config("channelgate").ready()
    # Each check says what is wrong in its own place; none of them raises.
    run_checks(tags=[checks.TAG], include_deployment_checks=True)


def test_every_mistake_is_said_at_once(settings):
    settings.CHANNELGATE = {"SECERT": S, "URL": None, "SECRET": 7, "PUBLISH": {"TIMEOUT": 0, "ON_ERROR": "x"}}
    found = [(one.id, one.msg.partition(" ")[0]) for one in checks.check_settings()]
    assert found == [
        ("channelgate.E002", 'CHANNELGATE["SECERT"]'),
        ("channelgate.E005", 'CHANNELGATE["URL"]'),
        ("channelgate.E005", 'CHANNELGATE["SECRET"]'),
        ("channelgate.E005", 'CHANNELGATE["PUBLISH"]["TIMEOUT"]'),
        ("channelgate.E005", 'CHANNELGATE["PUBLISH"]["ON_ERROR"]'),
    ]


def test_a_hint_never_has_a_value(settings):
    settings.CHANNELGATE = {"SECRET": {"key": "hunter2"}, "API_KEY": "hunter2\n"}
    assert not [one for one in checks.check_settings() if "hunter2" in one.msg + one.hint]


def test_actions_are_found_beside_a_value_that_is_wrong(settings):
    settings.CHANNELGATE = {"ACTIONS_MODULE": "own_actions", "URL": 7}
    assert conf_module.actions_module() == "own_actions"
    for wrong in ({"ACTIONS_MODULE": 7}, "x"):
        settings.CHANNELGATE = wrong
        assert conf_module.actions_module() == "actions"


CHECKED = """
import sys
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=["channelgate"], CHANNELGATE={value!r})
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"SECRET": 7}, '(channelgate.E005) CHANNELGATE["SECRET"] must be a text or a list of texts.'),
        ("x", "(channelgate.E005) CHANNELGATE must be a dictionary."),
        ({"ACTIONS_MODULE": 7}, '(channelgate.E005) CHANNELGATE["ACTIONS_MODULE"] must be the name of a module'),
    ],
)
def test_manage_py_check_says_it_without_a_traceback(value, said):
    command = [sys.executable, "-c", CHECKED.format(value=value), "check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and said in done.stderr and "HINT: It is of the type" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_secret_is_found_before_a_deployment(settings):
    for value in (None, {}, {"SECRET": ""}, {"SECRET": []}):
        settings.CHANNELGATE = value
        (one,) = checks.check_secret()
        assert one.id == "channelgate.W002"
    settings.CHANNELGATE = {"SECRET": S}
    assert checks.check_secret() == []


def test_the_checks_are_registered():
    from django.core.checks.registry import registry

    names = {check.__name__ for check in registry.get_checks(include_deployment_checks=True)}
    assert {"check_settings", "check_actions", "check_secret"} <= names


def test_the_defaults_are_those_of_the_manual(settings):
    settings.CHANNELGATE = {}
    assert conf().url == "http://127.0.0.1:8001" and conf().prefix == "channelgate:"
    assert (conf().redis_url, conf().secrets, conf().api_key, conf().config) == (None, (), None, None)
    assert dataclasses.astuple(conf().publish) == ("auto", True, 2.0, 4, False)
    assert dataclasses.astuple(conf().ws_token) == (1800, "opaque", "default", False)
    assert conf().disconnect_on_logout and conf().actions_module == "actions"


def test_what_is_written_is_used(settings):
    settings.CHANNELGATE = {
        "URL": "https://node.example/base/",
        "REDIS_URL": {"host": "r"},
        "API_KEY": "k",
        "CONFIG": "deploy/channelgate.toml",
        "PUBLISH": {"TIMEOUT": 1},
    }
    assert checks.check_settings() == []
    assert (conf().url, conf().redis_url, conf().api_key) == ("https://node.example/base", {"host": "r"}, "k")
    assert conf().config == Path("deploy/channelgate.toml")
    assert dataclasses.astuple(conf().publish) == ("auto", True, 1.0, 4, False)


def test_a_mistake_is_an_error_when_it_is_used(settings):
    settings.CHANNELGATE = {"BRIDGE": {"MODELS": "rows"}}
    with pytest.raises(ImproperlyConfigured, match="MODELS"):
        conf()


WITHOUT = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
import django
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=["channelgate"], CHANNELGATE={{"SECRET": "s"}})
import channelgate
django.setup()
from channelgate import Call, NotFound, Refused, action, bridge
{code}
"""


def run(blocked, code):
    text = WITHOUT.format(blocked=blocked, code=code)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)


def test_without_channels_actions_work_and_the_bridge_says_what_it_needs():
    code = """
from django.core.management import call_command
call_command("check")
async def app(scope, receive, send): pass
wrapped = bridge(app)
try:
    wrapped.runner
except Exception as error:
    print(type(error).__name__, error)
"""
    done = run(["channels", "daphne", "channels_redis", "redis", "rest_framework"], code)
    assert done.returncode == 0, done.stderr
    assert "Refused the bridge needs channels, which cannot be imported here" in done.stdout


def test_the_names_hold_in_every_order_of_imports():
    code = """
import channelgate.bridge.run, channelgate.bridge.state
from channelgate import bridge
import channelgate
assert callable(bridge) and channelgate.bridge is bridge
from channelgate.bridge.refusals import Refused
"""
    done = run(["nothing"], code)
    assert done.returncode == 0, done.stderr
