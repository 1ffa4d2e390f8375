"""A process with a project's settings that runs `manage.py channelgate …` once for each line that it reads.

Started as a program by `Commands`; a line is `{"words": […], "settings": {…}}`, the answer `{"code", "out", "err"}`.
One start of Django serves many commands, and each may have settings of its own.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

#: Without the folder of this file on the path: it has names of the standard library.
_START = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"


class Said:
    """What a command has printed, and its exit status."""

    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def json(self):
        return json.loads(self.out)


class Commands:
    """The process; it ends with `stop`."""

    def __init__(self, python: Path, directory: Path, env: Mapping[str, str]):
        self.log = (directory / "commands.log").open("ab")
        self.process = subprocess.Popen(
            [python, "-c", _START, __file__],
            cwd=directory,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def run(self, *words: str, code: str = "", **settings) -> Said:
        """Runs a command, or some Python, with these settings."""
        json.dump({"words": words, "settings": settings, "code": code}, self.process.stdin)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the process has ended: see commands.log"
        return Said(**json.loads(line))

    def stop(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.process.stdout.close()
        self.log.close()


def serve() -> None:
    """Answers each line."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test.utils import override_settings

    for line in sys.stdin:
        order = json.loads(line)
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stderr(err), override_settings(**order["settings"]):
            try:
                if order["code"]:
                    with contextlib.redirect_stdout(out):
                        exec(order["code"], {})
                else:
                    call_command("channelgate", *order["words"], stdout=out, stderr=err)
            except SystemExit as ended:
                code = ended.code or 0
            except Exception:
                traceback.print_exc(file=err)
                code = 99
        print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}), flush=True)


if __name__ == "__main__":
    serve()
