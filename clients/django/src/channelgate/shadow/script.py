"""The messages of `--script`: a JSON list of steps, sent to one side after the other."""

import base64
import binascii
import dataclasses
import json
from pathlib import Path
from typing import Any

_CONTENT = ("send", "text", "bytes")
_KEYS = (*_CONTENT, "frames", "others", "closes", "wait", "reconnect")


class WrongScript(Exception):
    """The text says what is wrong, and in which step."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A message, a reconnect, or a pause of `wait` seconds."""

    data: str | bytes | None = None
    #: The frames that the sender gets for it, and those that the other side gets; None waits for silence.
    frames: int | None = None
    others: int | None = None
    #: Whether the server closes the connection for it.
    closes: bool = False
    wait: float = 0.0
    reconnect: bool = False


def read(path: Path) -> list[Step]:
    """The steps of a file."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")), path.name)
    except OSError as error:
        raise WrongScript(f"--script {path}: {error.strerror}") from None
    except ValueError as error:
        raise WrongScript(f"--script {path.name}: not JSON: {error}") from None


def parse(value: Any, name: str) -> list[Step]:
    """The steps of a list."""
    if not isinstance(value, list):
        raise WrongScript(f'--script {name}: write a list of steps, such as [{{"send": {{"type": "ping"}}}}]')
    return [_step(one, f"--script {name}, step {number}") for number, one in enumerate(value, start=1)]


def _step(value: Any, where: str) -> Step:
    if not isinstance(value, dict):
        raise WrongScript(f'{where}: a step is an object, such as {{"send": {{"type": "ping"}}}}')
    unknown = [key for key in value if key not in _KEYS]
    if unknown:
        raise WrongScript(f'{where}: "{unknown[0]}" is not a key of a step. The keys are {", ".join(_KEYS)}.')
    does = [key for key in (*_CONTENT, "reconnect") if key in value]
    if len(does) > 1 or (not does and "wait" not in value):
        raise WrongScript(f'{where}: a step has one of "send", "text", "bytes", "reconnect" and "wait".')
    for key in ("reconnect", "closes"):
        if key in value and value[key] is not True:
            raise WrongScript(f'{where}: write "{key}": true')
    return Step(
        data=_content(value, where),
        frames=_number(value, "frames", where, whole=True),
        others=_number(value, "others", where, whole=True),
        closes="closes" in value,
        wait=_number(value, "wait", where) or 0.0,
        reconnect="reconnect" in value,
    )


def _content(value: dict[str, Any], where: str) -> str | bytes | None:
    if "send" in value:
        # As JSON.stringify writes it.
        return json.dumps(value["send"], ensure_ascii=False, separators=(",", ":"))
    if "text" in value:
        if not isinstance(value["text"], str):
            raise WrongScript(f'{where}: "text" is a text; "send" takes any JSON.')
        return value["text"]
    if "bytes" in value:
        try:
            return base64.b64decode(value["bytes"], validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise WrongScript(f'{where}: "bytes" is base64.') from None
    return None


def _number(value: dict[str, Any], key: str, where: str, whole: bool = False) -> Any:
    number = value.get(key)
    if number is None:
        return None
    kinds = int if whole else (int, float)
    if isinstance(number, bool) or not isinstance(number, kinds) or number < 0:
        raise WrongScript(f'{where}: "{key}" is a {"whole number" if whole else "number of seconds"} from 0 on.')
    return number
