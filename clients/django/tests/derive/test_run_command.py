"""`manage.py channelgate run` where it starts nothing: what it says, and with which status it ends.

What it starts is tested with real nodes, in tests/e2e/test_derived.py.
"""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from channelgate.commands import run
from channelgate.launch import plan

CORE = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": ["redis://u:p@h:1"]}}}
#: A program that says whether the configuration is valid, and nothing more.
PROGRAM = """#!/bin/sh
[ "$1" = check ] || exit 9
[ -z "$WRONG" ] && { echo "the built-in default: valid, 6 consumers"; exit 0; }
echo "environment variable REDIS_URL: layer.url: is wrong" >&2
echo "channelgate.toml:2: server.listn: unknown key" >&2
exit 2
"""


@pytest.fixture(autouse=True)
def program(settings, tmp_path, monkeypatch):
    settings.CHANNEL_LAYERS = CORE
    settings.BASE_DIR = tmp_path
    file = tmp_path / "channelgate"
    file.write_text(PROGRAM)
    file.chmod(0o755)
    monkeypatch.setenv("CHANNELGATE_BIN", str(file))
    return file


def said(*words):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("channelgate", "run", *words, stdout=out, stderr=err)
    except SystemExit as exit_:
        return exit_.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_a_missing_program_says_what_else_there_is(monkeypatch):
    monkeypatch.setenv("CHANNELGATE_BIN", "/nowhere/channelgate")
    assert said() == (1, "", "CHANNELGATE_BIN is /nowhere/channelgate, which is not a program.\n")


def test_a_file_that_is_not_there(tmp_path):
    code, out, err = said("--config", str(tmp_path / "other.toml"))
    assert (code, out) == (2, "")
    assert err == f"{tmp_path / 'other.toml'} is not there. Write it with: manage.py channelgate init\n"


def test_an_error_of_the_settings_ends_before_the_program_runs(settings, program):
    program.write_text("#!/bin/sh\ntouch was-run\n")
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    code, out, err = said()
    assert (code, out) == (2, "") and not Path("was-run").exists()
    assert 'error: CHANNEL_LAYERS["default"] is InMemoryChannelLayer: messages stay inside one process.' in err


def test_errors_of_the_node_have_the_setting_beside_the_variable(monkeypatch):
    monkeypatch.setenv("WRONG", "1")
    code, out, err = said("--port", "1")
    assert (code, out) == (2, "")
    assert err.endswith(
        'CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] (REDIS_URL: layer.url: is wrong)\n'
        "channelgate.toml:2: server.listn: unknown key\n"
    )


def test_a_setting_that_is_not_valid_has_no_traceback(settings):
    settings.CHANNELGATE = {"SECRET": 7}
    code, out, err = said("--check")
    assert (code, out) == (2, "")
    assert err == (
        'error: CHANNELGATE["SECRET"] must be a text or a list of texts\n'
        "  It is of the type int. Without this key it is the default: None.\n"
    )


@pytest.mark.parametrize("name", ["init", "nginx", "tail", "env", "doctor", "token"])
def test_each_command_says_what_is_wrong_with_a_setting(settings, name, tmp_path):
    from django.core.management import call_command

    settings.CHANNELGATE = {"URL": 7, "CONFIG": str(tmp_path / "channelgate.toml"), "DESCRIBE": 8}
    settings.ASGI_APPLICATION = "project.asgi.application"
    options = {"token": ["--user", "7", "--kind", "ws"]}
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("channelgate", name, *options.get(name, []), stdout=out, stderr=err)
    assert ended.value.code
    assert "must be" in out.getvalue() + err.getvalue(), (out.getvalue(), err.getvalue())


def test_check_starts_nothing():
    assert said("--check")[:2] == (0, "the built-in default: valid, 6 consumers\n")


def test_the_line_about_the_start_has_no_password(settings):
    planned = plan(None)
    checked = run.check(planned)
    line = run.started(planned, checked.stdout)
    assert line == (
        f"Starts {planned.argv[0]} at 127.0.0.1:8001: the built-in default: valid, 6 consumers, Redis redis://h:1 "
        "(core, prefix asgi), Django at http://127.0.0.1:8000/gate. Ctrl-C ends it."
    )


def test_help_names_every_option():
    code = "from django.core.management import execute_from_command_line as run; run(['m', 'channelgate', 'run', '-h'])"
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tests,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONPATH": f"{Path(run.__file__).parents[2]}"},
    )
    for option in ("--config", "--port", "--backend", "--proxy", "--check", "--reload", "--no-reload"):
        assert option in done.stdout, done
