"""The setting `CHANNELGATE`: its checks, and what the package does without the parts that a project lacks."""

import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from channelgate import checks
from channelgate.conf import conf

S = "secret"
WRONG = [
    ({"SECERT": S}, "E002", 'CHANNELGATE["SECERT"] is not a setting. Did you mean "SECRET"?'),
    ({"secret": S}, "E002", 'CHANNELGATE["secret"] is not a setting. Did you mean "SECRET"?'),
    ({"API_KEY": S}, "E002", 'CHANNELGATE["API_KEY"] is not a setting.'),
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
    ({"LOGOUT": "yes"}, "E005", 'CHANNELGATE["LOGOUT"] must be True or False.'),
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
