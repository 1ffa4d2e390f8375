"""`receive()` and `receive_json()` as `on_message` and `on_raw`."""

import dataclasses
from typing import Any

from channelgate.translate import effects, literals, steps
from channelgate.translate.explore import explore
from channelgate.translate.expressions import attribute, constant, message
from channelgate.translate.paths import Context, Path, Problem
from channelgate.translate.values import Expr, NotUnderstood, Thing


@dataclasses.dataclass(slots=True)
class Messages:
    """What becomes of the messages of clients."""

    #: The method; empty if there is none.
    method: str = ""
    key: str = "type"
    on_message: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    on_raw: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    on_bad_json: Any = None
    on_failed: Any = None
    #: Messages that stay in Python: by the value of the key, "" for all.
    problems: dict[str, Problem] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_native(self) -> bool:
        return not self.problems

    def whole(self, problem: Problem) -> "Messages":
        """All of it stays in Python."""
        return Messages(self.method, problems={"": problem})


#: The key of all other messages.
OTHERS = "*"


def translate(context: Context) -> Messages:
    """The messages of a consumer."""
    cls = context.cls
    is_json = effects.is_json_class(cls.cls)
    found = Messages()
    try:
        receive, receive_json = cls.method("receive"), cls.method("receive_json")
    except NotUnderstood as error:
        name = "receive" if "receive" in cls.methods else "receive_json"
        found.method = name
        return found.whole(Problem(error.reason, cls.methods[name].place() if name in cls.methods else cls.place, ""))
    if receive is None and not is_json:
        return found
    if receive is None and receive_json is None:
        # Channels decodes the message, and does nothing with it.
        found.on_bad_json = {"close": 1011}
        return found
    source = receive if receive is not None else receive_json
    assert source is not None
    found.method = source.name
    try:
        if receive is not None:
            text = explore(context, receive, _arguments(receive.parameters, Thing.RAW_TEXT, constant(None)))
            _of_receive(found, text, _of_bytes(context, receive))
        else:
            assert receive_json is not None
            paths = explore(context, receive_json, {receive_json.parameters[0]: message()})
            _of_json(found, paths)
            found.on_bad_json = {"close": 1011}
    except NotUnderstood as error:
        return found.whole(Problem(error.reason, source.place(), f"def {source.name}"))
    if not found.problems:
        for name in (*found.on_message, *found.on_raw):
            if name and len(name) > 200:
                return found.whole(Problem("a very long name of a message", source.place(), ""))
    return found


def _arguments(names: list[str], text: Any, data: Any) -> dict[str, Any]:
    given = {"text_data": text, "bytes_data": data}
    if not names or any(name not in given for name in names):
        raise NotUnderstood("receive() has other parameters than text_data and bytes_data")
    return {name: given[name] for name in names}


def _of_bytes(context: Context, receive: Any) -> Any:
    """The policy for a binary message: None if it is ignored."""
    if "bytes_data" not in receive.parameters:
        return {"close": 1011}
    paths = explore(context, receive, _arguments(receive.parameters, constant(None), Thing.RAW_BYTES))
    kinds = set()
    for path in paths:
        if path.end == "python":
            raise NotUnderstood(f"what it does with bytes: {path.problems[0].reason}")
        kinds.add(repr(_policy(path)))
    if len(kinds) != 1:
        raise NotUnderstood("what it does with bytes depends on a condition")
    return _policy(paths[0])


def _policy(path: Path) -> Any:
    """What is done for a message that is not JSON: None for nothing."""
    if path.end == "raise":
        if path.effects:
            raise NotUnderstood("it does something, and raises then")
        return {"close": 1011}
    if not path.effects:
        return None
    if len(path.effects) > 1 or literals.of(path, login=True):
        raise NotUnderstood("what it does with a message that is not JSON is more than one thing")
    effect = path.effects[0]
    if effect.what == "close" and effect.value is not None and effect.value.is_known:
        return {"close": effect.value.const}
    if effect.what == "send" and effect.value is not None and "message" not in effect.value.sides:
        return {"reply": effect.value.text}
    raise NotUnderstood("what it does with a message that is not JSON")


def _of_receive(found: Messages, paths: list[Path], binary: Any) -> None:
    raw: dict[str, list[Path]] = {}
    bad, rest = [], []
    for path in paths:
        exact = [c.special.value for c, is_true in path.conditions if c.special and c.special.what == "raw" and is_true]
        if OTHERS in exact:
            raise NotUnderstood("the text *")
        if exact:
            raw.setdefault(exact[0], []).append(path)
        elif path.asks("json") is False:
            bad.append(path)
        else:
            rest.append(path)
    for text, ways in raw.items():
        made = _steps(found, ways, text)
        if made is not None:
            found.on_raw[text] = made
    if any(path.asks("json") for path in rest):
        if any(path.asks("json") is None and path.effects for path in rest):
            raise NotUnderstood("it looks at some messages before it reads their JSON")
        for path in bad:
            if path.end == "python":
                found.problems[""] = path.problems[0]
                return
        policies = {repr(_policy(path)) for path in bad}
        if len(policies) > 1:
            raise NotUnderstood("what it does with a message that is not JSON depends on a condition")
        policy = _policy(bad[0]) if bad else None
        if policy != binary and policy is not None and "reply" in policy:
            raise NotUnderstood("a binary message is not answered like text that is not JSON")
        found.on_bad_json = policy if policy is not None and policy == binary else _weaker(policy, binary)
        _of_json(found, [path for path in rest if path.asks("json")])
        return
    if any(path.effects or path.end != "return" for path in rest):
        made = _steps(found, rest, OTHERS)
        if made is not None:
            close = [{"when": "message is not string", "close": 1011}] if binary == {"close": 1011} else []
            if binary is not None and not close:
                raise NotUnderstood("what it does with bytes")
            found.on_raw[OTHERS] = close + [_text_only(step) for step in made]
    elif binary is not None:
        found.on_bad_json = None


def _weaker(policy: Any, binary: Any) -> Any:
    """Where text and bytes differ: closing sends nothing more than the other, ignoring nothing at all."""
    if policy is not None and "reply" in policy:
        return None
    return policy


def _text_only(step: dict[str, Any]) -> dict[str, Any]:
    condition = step.get("when")
    only = "message is string"
    return {"when": f"{only} and ({condition})" if condition else only, **_rest(step)}


def _of_json(found: Messages, paths: list[Path]) -> None:
    keys = {c.special.key for path in paths for c, _ in path.conditions if c.special and c.special.what == "dispatch"}
    if len(keys) > 1:
        raise NotUnderstood(f"messages are told apart by more than one key: {', '.join(sorted(keys))}")
    if keys:
        found.key = keys.pop()
    ways: dict[str, list[Path]] = {}
    for path in paths:
        ways.setdefault(_value(path), []).append(path)
    is_strict = _is_strict(paths, found.key)
    if any(c.special and c.special.value == OTHERS for path in paths for c, _ in path.conditions):
        raise NotUnderstood("a message of the name *")
    for value, some in ways.items():
        if value == OTHERS:
            continue
        made = _steps(found, some, value)
        if made:
            found.on_message[value] = made
        elif made is not None and OTHERS in ways and any(path.effects for path in ways[OTHERS]):
            # It does nothing, and must not do what others do.
            found.on_message[value] = [{"when": "false"}]
    others = ways.get(OTHERS, [])
    made = _steps(found, others, OTHERS) if others else []
    if made is not None:
        wrong = (
            f"message is not mapping or message{_index(found.key)} is undefined"
            if is_strict
            else "message is not mapping"
        )
        if any(path.is_caught for path in paths):
            made = [{"when": _both("message is mapping", one.get("when")), **_rest(one)} for one in made]
        elif paths:
            made = [{"when": wrong, "close": 1011}, *made]
        if made:
            found.on_message[OTHERS] = made
    if found.on_message:
        is_caught = any(path.is_caught for path in paths)
        found.on_failed = None if is_caught else {"close": 1011}
    kept = [path for path in paths if _value(path) not in found.problems]
    found.notes.extend(dict.fromkeys(note for path in kept for note in path.notes))


def _rest(step: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in step.items() if key != "when"}


def _both(one: str, other: str | None) -> str:
    return one if other is None else f"{one} and ({other})"


def _index(key: str) -> str:
    return attribute(Expr("message"), key).text.removeprefix("message")


def _value(path: Path) -> str:
    """The value of the key that a path is for."""
    for condition, is_true in path.conditions:
        if condition.special and condition.special.what == "dispatch" and is_true:
            return condition.special.value
    return OTHERS


def _is_strict(paths: list[Path], key: str) -> bool:
    """Whether a message without the key raises."""
    texts = [c.text for path in paths for c, _ in path.conditions if c.special and c.special.what == "dispatch"]
    return bool(texts) and not any(".get(" in text for text in texts)


def _steps(found: Messages, paths: list[Path], value: str) -> list[dict[str, Any]] | None:
    """The steps for these ways, of which each message takes one. None if they stay in Python."""
    for path in paths:
        if path.end == "python":
            found.problems[value] = path.problems[0]
            return None
    made: list[dict[str, Any]] = []
    try:
        for path in paths:
            if path.end == "raise":
                if path.effects:
                    raise NotUnderstood("it does something, and raises then")
                ends = [{"close": 1011}]
                condition = literals.conjunction(literals.of(path, login=True))
                made += [{**({"when": condition.text} if condition else {}), **one} for one in ends]
                continue
            if not path.effects:
                continue
            same = [one for one in paths if one is not path and literals.shape(one) == literals.shape(path)]
            if any(one in same for one in paths[: paths.index(path)]):
                continue
            condition = literals.when(paths, literals.does(literals.shape(path)), True)
            text = condition.text if condition else None
            written = steps.steps(path.effects, text)
            made += [_allowed(one, path) for one in written]
    except NotUnderstood as error:
        place = next((effect.place for path in paths for effect in path.effects), "")
        found.problems[value] = Problem(error.reason, place, "")
        return None
    return made


def _allowed(step: dict[str, Any], path: Path) -> dict[str, Any]:
    """With the pattern of the rooms that the client names."""
    patterns = []
    for effect in path.effects:
        if effect.group is None:
            continue
        parts = effect.group.parts or (effect.group,)
        if any("message" in part.sides for part in parts):
            if any(not part.is_known and "message" not in part.sides for part in parts):
                raise NotUnderstood("a group of which the client names a part")
            patterns.append("".join(str(part.const) if part.is_known else "<slug>" for part in parts))
    if not patterns:
        return step
    return {"allow": patterns[0] if len(patterns) == 1 else patterns, **step}
