"""Shapes as the text of a TypeScript file."""

import json
import re
from collections.abc import Iterator

from channelgate.nodefile import Consumer, NodeFile
from channelgate.typescript.events import Sent, by_name, sent_by
from channelgate.typescript.shapes import Array, Literal, Plain, Record, Shape, Tuple, Union, union

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
#: Names that a type of the file cannot have.
_TAKEN = {"Project", "Paths", "Record", "Array", "Object", "String", "Number", "Boolean", "Event"}


#: What a page does with the types; the last is there only if they are declared.
_USE = """\
// Written by `manage.py channelgate types` from {name}. Do not edit: write it again.
//
// An interface has the events of one consumer: the name that a page listens to, and what it gets. ProjectEvents has
// those of all consumers. What the configuration does not say is `unknown`.
//
//   const client = createClient<ProjectEvents>({{ url }});            // @channelgate/client
//   const useProjectEvent: UseEvent<ProjectEvents> = useEvent;       // @channelgate/react"""
_DECLARED = """
/** createClient() and useEvent() know these events without a type argument. */
declare module "@channelgate/client" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface Events extends ProjectEvents {}
}"""


def file(node_file: NodeFile, *, declare: bool = False) -> str:
    """The whole file: an interface of events for each consumer and for all, and which path has which.

    With `declare` the events become those of @channelgate/client.
    """
    names = _Names()
    parts = [_USE.format(name=node_file.path.name)]
    paths: list[tuple[str, str]] = []
    everything: list[Sent] = []
    for consumer in node_file.consumers:
        name = names.make(consumer)
        sent = sent_by(consumer)
        parts += ["", *_interface(consumer, name, sent)]
        paths += [(path, name) for path in consumer.paths]
        everything += sent
    parts += ["", "/** The events of all consumers. */", *_events("ProjectEvents", everything)]
    parts += ["", "/** The events of each path, as channelgate.toml writes it. */", "export interface Paths {"]
    of_path: dict[str, list[str]] = {}
    for path, name in paths:
        of_path.setdefault(path, []).append(f"{name}Events")
    # Several consumers of Socket.IO may share a path.
    parts += [f"  {_key(path)}: {' & '.join(events)};" for path, events in of_path.items()]
    return "\n".join([*parts, "}", *([_DECLARED] if declare else []), ""])


def _interface(consumer: Consumer, name: str, sent: list[Sent]) -> Iterator[str]:
    yield f"/** {_comment(', '.join(consumer.paths))} */"
    yield from _events(f"{name}Events", sent)
    yield from _remarks(sent)
    if consumer.protocol != "socket.io":
        yield ""
        yield f"/** Every frame of {name}Events. */"
        frames = list(dict.fromkeys(one.whole for one in sent))
        yield f"export type {name}Frame = {_type(union(frames), 0) if frames else 'never'};"


def _events(name: str, sent: list[Sent]) -> Iterator[str]:
    yield f"export interface {name} {{"
    for event, data in by_name(sent).items():
        yield f"  {_key(event)}: {_type(data, 1)};"
    yield "}"


def _remarks(sent: list[Sent]) -> Iterator[str]:
    for one in sent:
        if one.problem:
            yield f"// on_event.{json.dumps(one.handler)}: {_line(one.problem)}"
        elif one.name is None:
            yield f"// on_event.{json.dumps(one.handler)} sends events whose names differ from event to event."
        elif one.name == "":
            yield f'// on_event.{json.dumps(one.handler)} sends frames without a name: a page handles them as "".'
        elif isinstance(one.whole, Tuple) and len(one.whole.items) > 1:
            yield f"// {_line(one.name)} has the arguments {_type(one.whole, 0)}; they are in `meta.frame`."


class _Names:
    def __init__(self) -> None:
        self.given: set[str] = set()

    def make(self, consumer: Consumer) -> str:
        """A name that no other consumer has: `/ws/orders/<int:id>/` is `WsOrders`."""
        text = re.sub(r"<[^>]*>", " ", consumer.name)
        words = re.findall(r"[A-Za-z0-9]+", text)
        name = "".join(word[:1].upper() + word[1:] for word in words) or "Consumer"
        name = f"_{name}" if name[0].isdigit() else name
        base, number = name, 2
        while name in self.given or name in _TAKEN:
            name, number = f"{base}{number}", number + 1
        self.given.add(name)
        return name


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A text as TypeScript writes it; the separators of lines that JSON allows are escaped, too."""
    return json.dumps(text)


def _type(of: Shape, depth: int) -> str:
    match of:
        case Plain():
            return of.name
        case Literal():
            return json.dumps(of.value)
        case Array():
            inner = _type(of.item, depth)
            return f"({inner})[]" if isinstance(of.item, Union) else f"{inner}[]"
        case Tuple():
            return f"[{', '.join(_type(item, depth) for item in of.items)}]"
        case Union():
            return " | ".join(_type(one, depth) for one in of.of)
        case Record():
            return _record(of, depth)


def _record(of: Record, depth: int) -> str:
    fields = [f"{_key(name)}: {_type(value, depth + 1)}" for name, value in of.fields]
    if of.is_open:
        fields.append("[key: string]: unknown")
    if not fields:
        return "Record<string, never>"
    flat = f"{{ {'; '.join(fields)} }}"
    if len(flat) + 2 * depth <= 90 and "\n" not in flat:
        return flat
    pad = "  " * (depth + 1)
    return "{\n" + "".join(f"{pad}{field};\n" for field in fields) + "  " * depth + "}"


def _comment(text: str) -> str:
    return _line(text).replace("*/", "* /")


def _line(text: str) -> str:
    return " ".join(text.split())
