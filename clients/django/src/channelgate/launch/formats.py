"""Variables as files for the programs that start nodes: sh, systemd, Compose and Kubernetes.

A secret that is not to be shown is a comment: as a value, its stars would be a publicly known key.
"""

import json
from collections.abc import Callable, Sequence

from channelgate.derive import Variable
from channelgate.derive.values import toml

HOW = "a secret; manage.py channelgate env --reveal shows it"
#: The names that the node's manifests use.
OBJECT = "channelgate"


def render(form: str, variables: Sequence[Variable], reveal: bool) -> str:
    """The variables in one of `FORMATS`."""
    return FORMATS[form](variables, reveal)


def dotenv(variables: Sequence[Variable], reveal: bool) -> str:
    """For `set -a; . ./file`, python-dotenv, and `env_file` of Compose: in single quotes everything is itself."""
    return _lines(variables, reveal, lambda text: f"'{text}'")


def systemd(variables: Sequence[Variable], reveal: bool) -> str:
    """For `EnvironmentFile=`."""
    return _lines(variables, reveal, _double)


def compose(variables: Sequence[Variable], reveal: bool) -> str:
    """The service's `environment` in compose.yml."""
    rows = [f"      {_yaml_row(one, reveal)}" for one in variables]
    return "\n".join(["services:", f"  {OBJECT}:", "    environment:", *rows])


def kubernetes(variables: Sequence[Variable], reveal: bool) -> str:
    """A ConfigMap, and a Secret, both for `envFrom`."""
    parts: list[str] = []
    for kind, field, chosen in (
        ("ConfigMap", "data", [one for one in variables if not one.secret]),
        ("Secret", "stringData", [one for one in variables if one.secret]),
    ):
        rows = [f"  {_yaml_row(one, reveal)}" for one in chosen]
        empty = "" if any(not row.lstrip().startswith("#") for row in rows) else " {}"
        parts.append(
            "\n".join(["apiVersion: v1", f"kind: {kind}", "metadata:", f"  name: {OBJECT}", f"{field}:{empty}", *rows])
        )
    return "\n---\n".join(parts)


#: What `--format` may be.
FORMATS: dict[str, Callable[[Sequence[Variable], bool], str]] = {
    "dotenv": dotenv,
    "systemd": systemd,
    "compose": compose,
    "kubernetes": kubernetes,
}


def pair(one: Variable) -> tuple[str, str]:
    """Name and value, in one line of characters that mean themselves: where the value has others, by the variable that
    is read as TOML, which has escapes. Only the quotation marks and backslashes of TOML and JSON are left."""
    if not one.is_text or not _is_special(one.value):
        return one.name, one.value
    return one.generic, toml(one.value)


def _is_special(text: str) -> bool:
    """Whether a program on the way could take a character for something else."""
    return toml(text) != f'"{text}"' or not text.isprintable() or text != text.strip()


def _lines(variables: Sequence[Variable], reveal: bool, quoted: Callable[[str], str]) -> str:
    rows: list[str] = []
    for one in variables:
        rows.append(f"# {one.source}")
        if one.secret and not reveal:
            rows.append(f"# {one.name}=*** ({HOW})")
        else:
            name, value = pair(one)
            rows.append(f"{name}={quoted(value)}")
    return "\n".join(rows)


def _double(text: str) -> str:
    escaped = "".join(f"\\{one}" if one in '"\\$`' else one for one in text)
    return f'"{escaped}"'


def _yaml_row(one: Variable, reveal: bool) -> str:
    if one.secret and not reveal:
        return f"# {one.name}: *** ({HOW})"
    name, value = pair(one)
    # A text of JSON is one of YAML, and no dollar is left that Compose would replace.
    return f"{name}: {json.dumps(value, ensure_ascii=False)}"
