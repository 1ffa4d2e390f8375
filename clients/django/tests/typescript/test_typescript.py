"""`types`: what channelgate.toml sends, as types of TypeScript; the compiler of TypeScript judges them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from channelgate.nodefile import Consumer, NodeFile, read
from channelgate.typescript.parse import NotUnderstood, parse
from channelgate.typescript.shapes import shape
from channelgate.typescript.write import _type, file

ROOT = Path(__file__).resolve().parents[4]
COMPILER = ROOT / "tests" / "browser" / "node_modules" / ".bin" / "tsc"
CLIENTS = ROOT / "clients"
NATIVE = CLIENTS / "node_modules" / "@typescript" / "native" / "bin" / "tsc"

SHAPES = [
    ("{'type': 'order', 'id': event.id}", '{ type: "order"; id: unknown }'),
    ("event", "{ [key: string]: unknown }"),
    ("event | without('type')", "{ [key: string]: unknown }"),
    ("dict(event.data, type='order', at=now())", '{ type: "order"; at: string; [key: string]: unknown }'),
    ("dict({'a': 1}, b=true)", "{ a: 1; b: true }"),
    # What is merged later may replace a key before it.
    ("dict({'a': 1}, event)", "{ a: unknown; [key: string]: unknown }"),
    ("now()", "string"),
    ("now('epoch_ms')", "number"),
    ("now('iso')", "string"),
    ("event.n | default(0)", "unknown"),
    ("event.level | string", "string"),
    ("event.items | length", "number"),
    ("'high' if event.level > 3 else 'low'", '"high" | "low"'),
    ("'a' ~ event.x", "string"),
    ("event.a + event.b", "unknown"),
    ("event.a - 1", "number"),
    ("event.a in [1, 2]", "boolean"),
    ("not event.a is defined", "boolean"),
    ("event.user_id | same_id(user.id)", "boolean"),
    ("['a', 'b']", '("a" | "b")[]'),
    ("[]", "unknown[]"),
    ("[event.x, 1]", "unknown[]"),
    ("none", "null"),
    ("{'a': {'b': [1]}}", "{ a: { b: 1[] } }"),
    ("{'a-b': 1, event.key: 2}", '{ "a-b": 1; [key: string]: unknown }'),
    ("route.id", "number"),
    ("route.name", "string"),
    ("query.x", "string"),
    ("event.get('n', 0)", "unknown"),
    ("event.name.upper()", "string"),
    ("event.tags.split(',')", "string[]"),
    ("{}", "Record<string, never>"),
    ("user.name", "unknown"),
    ("-event.x", "number"),
    ("event['order']['id']", "unknown"),
    ("{'a': 1}.a", "1"),
    ("'a' if x else none", '"a" | null'),
    ("true if event.x else 1", "true | 1"),
    ("  {\n 'a':\n 1,\n}  ", "{ a: 1 }"),
    ("'it\\'s'", '"it\'s"'),
]


@pytest.mark.parametrize(("text", "expected"), SHAPES)
def test_an_expression_has_the_type_of_what_it_gives(text, expected):
    from channelgate.typescript.events import _route

    consumer = Consumer({"path": "/ws/<int:id>/<name>/"})
    assert _type(shape(parse(text), _route(consumer)), 0) == expected


@pytest.mark.parametrize("text", ["", "{", "event.", "a b", "1 +", "'open", "{'a' 1}", "f(", "[1", "a if", "(" * 500])
def test_what_is_not_an_expression_is_said(text):
    with pytest.raises(NotUnderstood):
        parse(text)


def written(text: str, tmp_path: Path) -> NodeFile:
    path = tmp_path / "channelgate.toml"
    path.write_text(text)
    return read(path)


ORDERS = """
[[consumer]]
path = "/ws/orders/<int:id>/"
[consumer.on_event."order.status"]
send = "{'type': 'order.status', 'status': event.status, 'at': now('epoch_ms'), 'urgent': event.level > 3}"
[consumer.on_event."order.moved"]
send = ["{'type': 'moved', 'to': event.to | string}", "{'type': 'log', 'order': route.id}"]
[consumer.on_event."order.gone"]
close = 4404
[consumer.on_event.plain]
send = "{'n': 1}"
[consumer.on_event.wrapped]
send = "{'event': 'note', 'data': {'text': event.text | string}}"
[consumer.on_event.either]
send = "{'type': 'yes' if event.ok else 'no', 'why': event.why}"
[consumer.on_event."*"]
send = "event"

[[consumer]]
name = "board"
path = "/socket.io/"
protocol = "socket.io"
[consumer.on_event.update]
emit = [
  { to = "employee:{{ event.id }}", event = "update", data = "event.data" },
  { event = "general update", data = "{'id': event.id, 'ok': true}", volatile = true },
  { event = "pair", args = ["event.a", "'b'"] },
  { event = "{{ event.name }}", data = "1" },
]

[[consumer]]
path = "/ws/broken/"
[consumer.on_event.odd]
send = "{'type': 'odd', 'x': event.x ?? 1}"
"""


def test_each_event_of_a_consumer_has_its_name_and_its_type(tmp_path):
    text = file(written(ORDERS, tmp_path))
    assert "any" not in text.replace("many", "")
    for line in [
        "export interface WsOrdersEvents {",
        '  moved: { type: "moved"; to: string };',
        '  log: { type: "log"; order: number };',
        # As the client reads a frame with `event`, and one without a name.
        "  note: { text: string };",
        '  "": { n: 1 };',
        '  yes: { type: "yes"; why: unknown };',
        '  no: { type: "no"; why: unknown };',
        "export interface BoardEvents {",
        "  update: unknown;",
        '  "general update": { id: unknown; ok: true };',
        # A handler gets the first argument.
        "  pair: unknown;",
        '// pair has the arguments [unknown, "b"]; they are in `meta.frame`.',
        "export interface ProjectEvents {",
        '  "/ws/orders/<int:id>/": WsOrdersEvents;',
        '  "/socket.io/": BoardEvents;',
        "  odd: unknown;",
    ]:
        assert line in text.splitlines(), text
    assert "order.gone" not in text and "declare module" not in text
    assert '{ event: "note"; data: { text: string } }' in text.partition("WsOrdersFrame =")[2].partition(";\n\n")[0]
    assert "unexpected '?' in" in text
    assert '// on_event."*" sends events whose names differ from event to event.' in text


#: What a page may do with the types, and what is a mistake: each line ends with whether it compiles.
USE = """
import type { BoardEvents, Paths, WsOrdersEvents, WsOrdersFrame } from "./events";
declare function on<E, K extends keyof E>(event: K, handler: (data: E[K]) => void): void;
on<WsOrdersEvents, "order.status">("order.status", data => data.at.toFixed());
on<WsOrdersEvents, "order.status">("order.status", data => data.urgent satisfies boolean);
on<Paths["/ws/orders/<int:id>/"], "log">("log", data => data.order.toFixed());
on<WsOrdersEvents, "note">("note", ({ text }) => text.trim());
on<WsOrdersEvents, "">("", ({ n }) => n satisfies 1);
on<BoardEvents, "general update">("general update", ({ ok }) => ok satisfies true);
export const frame = (one: WsOrdersFrame) => one;
// @ts-expect-error there is no such event
on<WsOrdersEvents, "order.stats">("order.stats", () => {});
// @ts-expect-error what is not known has to be looked at first
on<WsOrdersEvents, "order.status">("order.status", data => data.status.length);
// @ts-expect-error a number is not a text
on<WsOrdersEvents, "order.status">("order.status", data => data.at.trim());
"""


#: The same with the npm packages.
PROJECT = """
import { createClient } from "@channelgate/client";
import { useEvent, type UseEvent } from "@channelgate/react";
import type { BoardEvents, ProjectEvents } from "./events";
const client = createClient<ProjectEvents>({ url: "/ws/orders/7/" });
client.on("order.status", ({ at }) => at.toFixed());
client.on("note", ({ text }) => text.trim());
client.on("", ({ n }) => n satisfies 1);
createClient<BoardEvents>().on("general update", ({ ok }) => ok satisfies true);
// @ts-expect-error there is no such event
client.on("order.stats", () => undefined);
const useProjectEvent: UseEvent<ProjectEvents> = useEvent;
export function Orders() {
  useProjectEvent("moved", ({ to }) => to.trim());
  // @ts-expect-error what is not known has to be looked at first
  useProjectEvent("yes", ({ why }) => why.length);
}
"""
DECLARED = """
import { createClient } from "@channelgate/client";
import { useEvent, useEvents } from "@channelgate/react";
import "./events";
createClient().on("moved", ({ to }) => to.trim());
// @ts-expect-error there is no such event
createClient().on("move", () => undefined);
export function Orders() {
  useEvent("note", ({ text }) => text.trim());
  // @ts-expect-error there is no such event
  useEvent("notes", () => undefined);
  useEvents("log")[0]?.data.order.toFixed();
}
"""


def compile_(folder: Path, compiler: Path, include: Path | None = None, extends: Path | None = None, **options: Any):
    """Type-checks what is in a folder; `options` are those of the compiler."""
    (folder / "tsconfig.json").write_text(
        json.dumps(
            {
                "compilerOptions": options,
                "include": [str(include or "*.ts")],
                **({"extends": str(extends)} if extends else {}),
            }
        )
    )
    done = subprocess.run(
        [compiler, "-p", folder], capture_output=True, text=True, check=False, timeout=50, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stdout + done.stderr


USER = {"strict": True, "noEmit": True, "module": "esnext", "moduleResolution": "bundler", "types": []}


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> dict[str, list[str]]:
    """The declarations of the npm packages, made of their sources as they are published: where names are found."""
    paths: dict[str, list[str]] = {"react": [str(CLIENTS / "node_modules/@types/react/index.d.ts")]}
    for name, source in (("client", "core"), ("react", "react")):
        folder = tmp_path_factory.mktemp(name)
        declarations = {"emitDeclarationOnly": True, "rootDir": str(CLIENTS / source / "src"), "outDir": str(folder)}
        extends = CLIENTS / source / "tsconfig.json"
        compile_(folder, NATIVE, CLIENTS / source / "src", extends, **declarations, paths=paths)
        paths[f"@channelgate/{name}"] = [str(folder / "index.d.ts")]
        paths[f"@channelgate/{name}/*"] = [str(folder / "*.d.ts")]
    return paths


@pytest.mark.skipif(not COMPILER.exists(), reason="tests/browser/node_modules has no typescript: make setup")
def test_the_compiler_of_typescript_takes_the_types_and_finds_mistakes_with_them(tmp_path):
    (tmp_path / "events.ts").write_text(file(written(ORDERS, tmp_path)))
    (tmp_path / "use.ts").write_text(USE)
    compile_(tmp_path, COMPILER, **USER)


@pytest.mark.skipif(not NATIVE.exists(), reason="clients/node_modules has no typescript: make setup")
@pytest.mark.parametrize("use", [PROJECT, DECLARED], ids=["as a type argument", "declared"])
def test_the_types_are_those_of_the_npm_packages(tmp_path, packages, use):
    (tmp_path / "events.ts").write_text(file(written(ORDERS, tmp_path), declare=use is DECLARED))
    (tmp_path / "use.ts").write_text(use)
    compile_(tmp_path, NATIVE, **USER, target="es2022", skipLibCheck=True, paths=packages)


def test_the_command_writes_the_file_only_when_it_changes(tmp_path, capsys):
    config, target = written(ORDERS, tmp_path).path, tmp_path / "events.ts"
    call_command("channelgate", "types", "--config", str(config), "--output", str(target))
    assert "the events of 3 consumers" in capsys.readouterr().out
    before = target.stat().st_mtime_ns
    call_command("channelgate", "types", "--config", str(config), "--output", str(target))
    assert target.stat().st_mtime_ns == before
    call_command("channelgate", "types", "--config", str(config))
    assert capsys.readouterr().out.endswith(target.read_text())
    call_command("channelgate", "types", "--config", str(config), "--declare")
    assert 'declare module "@channelgate/client"' in capsys.readouterr().out


def test_a_missing_file_and_a_broken_one_are_named(tmp_path, capsys):
    for text, said in [(None, "does not exist"), ("[[consumer]", "at line 1")]:
        path = tmp_path / "channelgate.toml"
        if text is not None:
            path.write_text(text)
        with pytest.raises(SystemExit) as ended:
            call_command("channelgate", "types", "--config", str(path))
        assert ended.value.code == 1
        error = capsys.readouterr().err
        assert said in error and str(path) in error


def test_every_preset_has_types(tmp_path):
    presets = sorted((ROOT / "presets").glob("*.toml"))
    assert presets
    for preset in presets:
        text = file(read(Path(shutil.copy(preset, tmp_path))))
        # Nothing in them is beyond the reader.
        assert "unexpected" not in text and "missing before" not in text, text
        # The name of such a frame is in the event.
        assert "send_event: {" not in text
