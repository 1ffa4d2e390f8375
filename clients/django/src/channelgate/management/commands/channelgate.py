"""`manage.py channelgate <sub-command>`: one command, each sub-command a module of `channelgate.commands`."""

import argparse
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandParser

from channelgate.commands import INVALID, Output, SubCommand, sub_commands


class Command(BaseCommand):  # type: ignore[misc]
    """Finds the sub-command and runs it; its exit status is the process's."""

    help = "Moves a project to Channelgate, runs a node with the project's settings, and looks at it."
    #: Each sub-command says what is wrong in its own words; `manage.py check` has the checks.
    requires_system_checks: list[str] = []  # noqa: RUF012  (the name and the type are Django's)

    def add_arguments(self, parser: CommandParser) -> None:
        found = parser.add_subparsers(dest="sub_command", required=True, metavar="command", parser_class=_Parser)
        for name, module in sub_commands().items():
            one = found.add_parser(name, help=module.HELP, description=module.HELP)
            module.arguments(one)

    def handle(self, *_: Any, **options: Any) -> None:
        module: SubCommand = sub_commands()[options["sub_command"]]
        try:
            code = module.handle(options, Output(self.stdout, self.stderr, self.style))
        except ImproperlyConfigured as error:
            # A setting that is not valid: its reason, and not where in the package it was read.
            self.stderr.write(f"error: {error}")
            hint = getattr(error, "hint", "")
            if hint:
                self.stderr.write(f"  {hint}")
            code = INVALID
        if code:
            sys.exit(code)


class _Parser(argparse.ArgumentParser):
    """A parser of a sub-command: without the options that Django adds to each command."""
