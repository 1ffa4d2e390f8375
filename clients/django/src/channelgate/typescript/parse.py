"""Reads an expression of channelgate.toml: MiniJinja's language, as far as it says what an expression looks like."""

import ast
import re
from typing import Any

from channelgate.typescript.tree import (
    Called,
    Choice,
    Constant,
    Filtered,
    Key,
    Listed,
    Name,
    Node,
    Operation,
    Table,
)

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<name>[^\W\d]\w*)
      | (?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%~|.,:(){}\[\]<>])
    )""",
    re.VERBOSE | re.DOTALL,
)
_CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None, "null": None}
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
#: Operators of the same rank, the loosest first; each takes what the next rank gives.
_RANKS = (("+", "-"), ("~",), ("*", "/", "//", "%"), ("**",))
#: Deeper than any template, and less than what would fill the stack.
_DEEP = 60


class NotUnderstood(Exception):
    """The text is not an expression, or one of a form that is not known here."""


def parse(text: str) -> Node:
    """The tree of an expression."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str):
        self.tokens = list(_tokens(text))
        self.at = 0
        self.deep = 0

    def whole(self) -> Node:
        node = self.choice()
        if self.at < len(self.tokens):
            raise NotUnderstood(f"unexpected {self.tokens[self.at][1]!r}")
        return node

    def peek(self) -> tuple[str, Any]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", None)

    def take(self, *signs: str) -> str | None:
        """Takes the next token if it is one of these words or signs."""
        kind, value = self.peek()
        if kind in ("sign", "name") and value in signs:
            self.at += 1
            return str(value)
        return None

    def need(self, sign: str) -> None:
        if self.take(sign) is None:
            raise NotUnderstood(f"{sign!r} is missing before {self.peek()[1]!r}")

    def choice(self) -> Node:
        self.deep += 1
        if self.deep > _DEEP:
            raise NotUnderstood("it is too deep")
        node = self.either()
        while self.take("if"):
            condition = self.either()
            node = Choice(node, condition, self.choice() if self.take("else") else None)
        self.deep -= 1
        return node

    def either(self) -> Node:
        node = self.both()
        while self.take("or"):
            node = Operation("or", (node, self.both()))
        return node

    def both(self) -> Node:
        node = self.negation()
        while self.take("and"):
            node = Operation("and", (node, self.negation()))
        return node

    def negation(self) -> Node:
        if self.take("not"):
            return Operation("not", (self.negation(),))
        return self.comparison()

    def comparison(self) -> Node:
        node = self.ranked(0)
        while True:
            if sign := self.take(*_COMPARISONS):
                node = Operation(sign, (node, self.ranked(0)))
            elif self.take("in"):
                node = Operation("in", (node, self.ranked(0)))
            elif self.peek() == ("name", "not") and self.tokens[self.at + 1 : self.at + 2] == [("name", "in")]:
                self.at += 2
                node = Operation("not in", (node, self.ranked(0)))
            else:
                return node

    def ranked(self, rank: int) -> Node:
        if rank == len(_RANKS):
            return self.signed()
        node = self.ranked(rank + 1)
        while sign := self.take(*_RANKS[rank]):
            node = Operation(sign, (node, self.ranked(rank + 1)))
        return node

    def signed(self) -> Node:
        if sign := self.take("-", "+"):
            return Operation(f"{sign}.", (self.signed(),))
        return self.trailed(self.simple())

    def trailed(self, node: Node) -> Node:
        """Keys, calls, filters and tests behind a value."""
        while True:
            if self.take("."):
                node = Key(node, self.word())
            elif self.take("["):
                index = self.choice()
                self.need("]")
                fixed = isinstance(index, Constant) and isinstance(index.value, str | int)
                node = Key(node, index.value if fixed and isinstance(index, Constant) else None)
            elif self.take("("):
                node = Called(node, *self.arguments())
            elif self.take("|"):
                name = self.word()
                node = Filtered(node, name, self.arguments()[0] if self.take("(") else ())
            elif self.take("is"):
                sign = "is not" if self.take("not") else "is"
                self.test()
                node = Operation(sign, (node,))
            else:
                return node

    def test(self) -> None:
        """The name of a test, and its argument."""
        self.word()
        if self.take("("):
            self.arguments()
        elif self.peek()[0] in ("number", "text"):
            self.at += 1

    def word(self) -> str:
        kind, value = self.peek()
        if kind not in ("name", "number"):
            raise NotUnderstood(f"a name is missing before {value!r}")
        self.at += 1
        return str(value)

    def arguments(self) -> tuple[tuple[Node, ...], tuple[tuple[str, Node], ...]]:
        """What stands between parentheses, the first of which has been taken."""
        plain: list[Node] = []
        named: list[tuple[str, Node]] = []
        while self.take(")") is None:
            kind, value = self.peek()
            # `=` of a named argument is the only sign of its kind, so it is not among the tokens of expressions.
            if kind == "named":
                self.at += 1
                named.append((str(value), self.choice()))
            else:
                plain.append(self.choice())
            if self.take(",") is None:
                self.need(")")
                break
        return tuple(plain), tuple(named)

    def simple(self) -> Node:
        kind, value = self.peek()
        self.at += 1
        match kind, value:
            case (("number" | "text"), _):
                return Constant(value)
            case "name", _ if value in _CONSTANTS:
                return Constant(_CONSTANTS[value])
            case "name", _:
                return Name(value)
            case "sign", "(":
                node = self.choice()
                self.need(")")
                return node
            case "sign", "[":
                return self.listed()
            case "sign", "{":
                return self.table()
        raise NotUnderstood("it ends too early" if kind == "end" else f"unexpected {value!r}")

    def listed(self) -> Node:
        items: list[Node] = []
        while self.take("]") is None:
            items.append(self.choice())
            if self.take(",") is None:
                self.need("]")
                break
        return Listed(tuple(items))

    def table(self) -> Node:
        items: list[tuple[str | None, Node]] = []
        while self.take("}") is None:
            key = self.choice()
            self.need(":")
            fixed = key.value if isinstance(key, Constant) else None
            items.append((str(fixed) if isinstance(fixed, str | int) else None, self.choice()))
            if self.take(",") is None:
                self.need("}")
                break
        return Table(tuple(items))


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        named = re.compile(r"\s*([^\W\d]\w*)\s*=(?!=)").match(text, at)
        if named is not None:
            found.append(("named", named[1]))
            at = named.end()
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotUnderstood(f"unexpected {text[at:].strip()[:1]!r}")
        kind = str(match.lastgroup)
        found.append((kind, _value(kind, match[kind])))
        at = match.end()
    return found


def _value(kind: str, written: str) -> Any:
    if kind == "number":
        return float(written) if set(written) & set(".eE") else int(written)
    if kind == "text":
        try:
            return ast.literal_eval(written.replace("\n", "\\n"))
        except (SyntaxError, ValueError):
            raise NotUnderstood(f"the text {written[:20]}") from None
    return written
