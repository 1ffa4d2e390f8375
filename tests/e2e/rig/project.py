"""A Django project of `tests/django`, or a copy of one, in processes of its own."""

import os
import subprocess
from pathlib import Path

import stack

PROJECTS = stack.ROOT / "tests" / "django"


def environment(name: str, directory: Path, redis_url: str, folder: Path = PROJECTS) -> dict[str, str]:
    """The environment of its processes, with the package of this checkout."""
    paths = [folder, stack.ROOT / "clients" / "django" / "src", os.environ.get("PYTHONPATH")]
    return {
        "DJANGO_SETTINGS_MODULE": f"{name}.settings",
        "PYTHONPATH": os.pathsep.join(str(path) for path in paths if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SECRET_KEY": stack.SECRET_KEY,
        "CHANNELGATE_BACKEND_SECRET": stack.BACKEND_SECRET,
        "RUN_DIR": str(directory),
        "REDIS_URL": redis_url,
    }


def manage(directory: Path, env: dict[str, str], *words: str) -> None:
    """A command of Django."""
    code = "import sys; from django.core.management import execute_from_command_line as run; run(sys.argv)"
    done = subprocess.run(
        [stack.PYTHON, "-c", code, *words],
        cwd=directory,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def migrate(directory: Path, env: dict[str, str]) -> None:
    """Creates its database."""
    manage(directory, env, "migrate", "--run-syncdb", "--verbosity", "0")
