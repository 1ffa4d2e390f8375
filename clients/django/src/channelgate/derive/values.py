"""What is derived: variables of the node's environment, and problems in plain words; and how a value is written."""

import dataclasses
import json
import re
from typing import Any, Literal

Level = Literal["error", "warning", "note"]


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment."""

    name: str
    value: str
    #: Whether it opens something: it is printed only on demand.
    secret: bool
    #: Where the value is from, as a person would write it: `CHANNEL_LAYERS["default"]["CONFIG"]["hosts"]`.
    source: str
    #: The key of the node's configuration.
    key: str
    #: Keys that mean the same: a file that has one of them sets this value itself.
    beside: tuple[str, ...] = ()
    #: Whether the value is a text that is taken as it is; others are TOML or JSON, with escapes.
    is_text: bool = False
    #: The method of `auth` without which the node refuses the key as one that has no effect.
    only_with: str | None = None

    @property
    def is_option(self) -> bool:
        """Whether it is from the command line, which goes before everything."""
        return self.source.startswith("--")

    @property
    def generic(self) -> str:
        """The variable that is read as TOML."""
        return generic(self.key)


def generic(key: str) -> str:
    """The variable of a key that is read as TOML."""
    return "CHANNELGATE__" + key.replace(".", "__").upper()


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be carried over, or will not work."""

    text: str
    hint: str = ""
    #: With an error no node starts; a note says what differs and does no harm.
    level: Level = "warning"


@dataclasses.dataclass(slots=True)
class Derived:
    """Everything that a node needs from Django's settings."""

    variables: list[Variable] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """The variables by name, without those that need a consumer: `launch.used_variables` knows the node's file."""
        return {one.name: one.value for one in self.variables if one.only_with is None}

    def get(self, key: str) -> Variable | None:
        """The variable that sets a key."""
        return next((one for one in self.variables if one.key == key), None)

    def put(
        self,
        key: str,
        value: Any,
        source: str,
        *,
        name: str | None = None,
        secret: bool = False,
        beside: tuple[str, ...] = (),
        only_with: str | None = None,
    ) -> None:
        """Adds a variable; `name` is that of a variable with a name of its own, whose text is taken as it is."""
        text = value if name is not None and isinstance(value, str) else toml(value)
        variable = name or generic(key)
        if "\0" in text:
            self.problem(f"{source} has a NUL character, which no variable can hold.", level="error")
            return
        is_text = text is value and not isinstance(value, Json)
        self.variables.append(Variable(variable, text, secret, source, key, beside, is_text, only_with))

    def problem(self, text: str, hint: str = "", level: Level = "warning") -> None:
        """Adds a problem."""
        self.problems.append(Problem(text, hint, level))


def toml(value: Any) -> str:
    """A value as TOML, in one line; inside a text, quotation marks, dollars and backslashes are escapes."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return '"' + "".join(map(_character, value)) + '"'
        case list() | tuple():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{ " + ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items()) + " }"
    raise TypeError(f"{type(value).__name__} has no form in TOML")


#: Characters with a meaning to a shell, to TOML or to a file of variables.
_SPECIAL = frozenset("\"'\\$`")


def _character(one: str) -> str:
    number = ord(one)
    if one not in _SPECIAL and 0x20 <= number != 0x7F and not 0x80 <= number < 0xA0:
        return one
    return f"\\u{number:04x}"


class Json(str):
    """A text that is JSON."""

    __slots__ = ()


def json_text(value: Any) -> Json:
    """A value as JSON, for addresses of Redis, with the same characters inside its texts as in `toml`."""
    return Json(_ESCAPE.sub(lambda found: _character(_ESCAPED.get(found[0], found[0])), json.dumps(value)))


#: An escape of two characters of JSON, and what has a meaning outside of JSON.
_ESCAPE = re.compile(r"\\[\\\"]|['$`\x7f]")
_ESCAPED = {"\\\\": "\\", '\\"': '"'}


def text_of(value: Any) -> str | None:
    """A text, lazy text, path or UTF-8 bytes as text; None for anything that is not in UTF-8."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    from pathlib import PurePath

    from django.utils.functional import Promise

    if not isinstance(value, str | PurePath | Promise):
        return None
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a pair of surrogates: no variable can hold it.
        return None
    return text


def plain(value: Any) -> Any:
    """The value behind a function without arguments, or behind a lazy object.

    Of a function that raises it is the exception, which has no form for a node either.
    """
    from django.utils.functional import LazyObject, Promise

    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, LazyObject):
        # Its methods are those of the value; its class says which.
        if isinstance(value, str):
            return str(value)
        return value
    if callable(value) and not isinstance(value, type):
        try:
            return plain(value())
        except Exception as error:
            return error
    return value
