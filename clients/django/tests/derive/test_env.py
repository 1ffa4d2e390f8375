"""`manage.py channelgate env`: each form is read back by the program that it is for."""

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

from channelgate.derive import Variable, derived
from channelgate.derive.values import json_text
from channelgate.launch import formats
from channelgate.nodefile import loads

#: Texts in which some program would find a meaning.
TEXTS = [
    "plain",
    "two words",
    " edges ",
    "a'b",
    'a"b',
    "a\\b\\n",
    "a$b ${c} $(d) `e` $$",
    "a#b # c",
    "%s %% %i",
    "a;b&c|d<e>f!g*h?i[j]k{l}m~n",
    "line\nbreak\r\n\ttab",
    "=:, - yes null 007 0x1 1e3 true",
    "ключ ø 漢字 \U0001f600",
    "\x7f\x1b\x85\u2028\ufeff",
    "x" * 5000,
]
#: systemd's own reader of such files; those of units are read by the same function.
SYSTEMD = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")


def variables():
    """One with a name of its own, and one with TOML, for each text; and JSON of an address."""
    found = []
    for number, text in enumerate(TEXTS):
        found.append(Variable(f"TEXT_{number}", text, False, "S", f"text.n{number}", (), True))
    found.append(Variable("CHANNELGATE__LAYER__HOSTS", json_text([{"password": t} for t in TEXTS]), True, "S", "l.h"))
    return found


def meant(environment):
    """The texts as a node reads them."""
    found = []
    for number in range(len(TEXTS)):
        generic = environment.get(f"CHANNELGATE__TEXT__N{number}")
        if generic is not None:
            found.append(loads(f"one = {generic}")["one"])
        else:
            found.append(environment[f"TEXT_{number}"])
    hosts = json.loads(environment["CHANNELGATE__LAYER__HOSTS"])
    return found, [one["password"] for one in hosts]


def sh(text, directory):
    file = directory / "node.env"
    file.write_text(text)
    done = subprocess.run(
        ["sh", "-c", f"set -eua; . '{file}'; env -0"], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True
    )
    pairs = (one.decode().partition("=") for one in done.stdout.split(b"\0") if one)
    return {name: value for name, _, value in pairs}


def systemd(text, directory):
    if not SYSTEMD.exists():
        pytest.skip("systemd is not installed")
    folder = directory / "environment.d"
    folder.mkdir()
    (folder / "node.conf").write_text(text)
    env = {"XDG_CONFIG_HOME": str(directory), "HOME": str(directory), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([SYSTEMD], env=env, capture_output=True, check=True)
    assert not done.stderr, done.stderr
    # It prints each variable in the form that it reads.
    return sh(done.stdout.decode(), directory)


def compose(text, _):
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(text)["services"]["channelgate"]["environment"]


def kubernetes(text, _):
    yaml = pytest.importorskip("yaml")
    config, secret = yaml.safe_load_all(text)
    assert (config["kind"], secret["kind"]) == ("ConfigMap", "Secret")
    return {**(config["data"] or {}), **(secret["stringData"] or {})}


READERS = {"dotenv": sh, "systemd": systemd, "compose": compose, "kubernetes": kubernetes}


@pytest.mark.parametrize("form", formats.FORMATS)
def test_every_character_reaches_the_node(form, tmp_path):
    text = formats.render(form, variables(), reveal=True)
    read = READERS[form](text, tmp_path)
    assert meant(read) == (TEXTS, TEXTS)
    # Compose and others would replace it.
    assert "$" not in text
    assert all(isinstance(value, str) for value in read.values())


@pytest.mark.parametrize("form", formats.FORMATS)
def test_a_secret_is_shown_on_demand_only(form, settings, tmp_path):
    settings.SECRET_KEY = "the-secret-of-the-project"
    hidden = formats.render(form, derived().variables, reveal=False)
    assert settings.SECRET_KEY not in hidden and "--reveal" in hidden
    # Its place has no value either: a node with "***" would have a publicly known key.
    assert "DJANGO_SECRET_KEY" not in READERS[form](hidden, tmp_path)
    assert settings.SECRET_KEY in formats.render(form, derived().variables, reveal=True)


def printed(*words):
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("channelgate", "env", *words, stdout=out, stderr=err)
    except SystemExit as exit_:
        code = exit_.code
    return code, out.getvalue(), err.getvalue()


CORE = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": ["redis://h:1"]}}}


def test_the_command_prints_what_the_settings_say(settings):
    settings.CHANNEL_LAYERS = CORE
    code, out, err = printed("--backend", "http://127.0.0.1:9000", "--port", "9001")
    assert code == 0, err
    assert "CHANNELGATE_LISTEN='127.0.0.1:9001'" in out
    assert "CHANNELGATE_BACKEND_URL='http://127.0.0.1:9000/gate'" in out
    assert "REDIS_URL='redis://h:1'" in out and "*** (a secret" in out
    # Where an image or a socket says where the node listens, this file does not.
    assert "CHANNELGATE_LISTEN" not in printed("--format", "compose")[1]


def test_problems_are_shown_and_an_error_is_the_exit_status(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    code, _, err = printed()
    assert code == 2
    assert 'error: CHANNEL_LAYERS["default"] is InMemoryChannelLayer: messages stay inside one process.' in err


def test_what_the_nodes_file_says_is_not_repeated(settings, tmp_path):
    settings.CHANNEL_LAYERS = CORE
    file = tmp_path / "channelgate.toml"
    file.write_text('[layer]\nhosts = ["redis://other"]\n[server]\nallowed_origins = []\n')
    settings.DEBUG = True
    assert "CHANNELGATE_ALLOWED_ORIGINS" in printed()[1]
    out = printed("--config", str(file))[1]
    assert "REDIS_URL" not in out and "CHANNELGATE_ALLOWED_ORIGINS" not in out and "CHANNELGATE_LAYER=" in out


@pytest.mark.parametrize("backend", ["localhost:8000", "http://[bad", "http://h:99999", "http://u:secret@h", "ftp://h"])
def test_a_backend_that_is_not_a_url_of_django(backend):
    code, out, err = printed("--backend", backend, "--proxy")
    assert code == 2 and "error: --backend is not the URL of Django." in err
    assert "BACKEND_URL" not in out and "secret@" not in out + err
