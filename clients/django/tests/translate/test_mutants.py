"""Mutants of the translator: with each of these faults, a test of this folder fails. Run with MUTANTS=1."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
#: A file, what is there, and what stands there instead.
MUTANTS = {
    "a guard that is not asked": ("connect.py", "admission.requires.append(expr.text)", "pass"),
    "a login that is not asked": ("connect.py", "if asks == {True}:", "if False:"),
    "anonymous clients everywhere": ("verdict.py", '["django"] if admission.user == "required"', '["django"] if False'),
    "problems of connect that do not count": (
        "connect.py",
        "if path.problems:\n        raise",
        "if False:\n        raise",
    ),
    "a statement that is passed over": ("run.py", "self.path.problems.append(error.problem)", "pass"),
    "a group too many": (
        "connect.py",
        "        if condition is None:\n            _join",
        "        if True:\n            _join",
    ),
    "a group of a value alone": ("effects.py", "if not parts[0].is_known:", "if False:"),
    "a group of another channel": ("effects.py", 'channel.text != "channel_name"', "False"),
    "characters that Channels refuses": ("effects.py", "not _GROUP_TEXT.match(part.const)", "False"),
    "values that are not checked": ("connect.py", "    for one in effects.unsafe(group):", "    for one in ():"),
    "a when that is dropped": ("handlers.py", 'return {"when": condition.text}', "return {}"),
    "a login that a handler does not ask": (
        "handlers.py",
        "lambda one: bool(one.effects), True)",
        "lambda one: bool(one.effects))",
    ),
    "a condition of both sides": ("handlers.py", "if not condition.divisible:", "if False:"),
    "a frame with the user": (
        "handlers.py",
        'if own & {"channel_name", "id"}:',
        "if False:\n        pass\n    if True:\n        return\n    if False:",
    ),
    "a data that may be missing": ("run.py", "self.path.needs.append(need)", "pass"),
    "one for true": (
        "conditions.py",
        "case ast.Is() | ast.IsNot():\n            found = _is(",
        "case ast.Is() | ast.IsNot():\n            found = equal(",
    ),
    "a negation that is lost": ("conditions.py", "return negated(found) if is_negative else found", "return found"),
    "and for or": (
        "conditions.py",
        "return not is_and if decided() else is_and",
        "return is_and if decided() else not is_and",
    ),
    "a UUID that is text": ("conditions.py", "if not expr.is_plain:", "if False:"),
    "a secret in a comparison": ("conditions.py", "if _is_secret(one, other) or _is_secret(other, one):", "if False:"),
    "a secret in a comment": ("source.py", "if not any(SECRET.search(word) for word in words):", "if True:"),
    "a secret constant": (
        "things.py",
        "if isinstance(found, str | bytes) and found and SECRET.search(name):",
        "if False:",
    ),
    "a decorator that is not seen": ("source.py", 'if hasattr(function, "__wrapped__"):', "if False:"),
    "a decorator in the source": ("run.py", "if source.decorators:", "if False:"),
    "flags of users": ("people.py", "range(8)", "range(2)"),
    "an authenticator too many": ("auth.py", "    if not others:", "    if True:"),
    "an unknown middleware": ("auth.py", 'login.kind = "unknown"\n            login.reason', "login.reason"),
    "hyphens in a word": ("verdict.py", "requires.append(f\"'-' not in {name}\")", "pass"),
    "more than digits": ("verdict.py", 'table["allow"] = patterns', 'table["max_rooms"] = 100 #'),
    "a converter of the project": ("routes.py", 'if one.kind != "unknown"', "if True"),
    "a path that is wider": (
        "verdict.py",
        'found += [f"the path of the node is wider',
        'found and [f"the path of the node is wider',
    ),
    "an answer to bytes": (
        "messages.py",
        'if policy != binary and policy is not None and "reply" in policy:',
        "if False:",
    ),
    "a bad message that is not closed": (
        "messages.py",
        'return {"close": 1011}\n    if not path.effects',
        "return None\n    if not path.effects",
    ),
    "an attribute that changes": ("attributes.py", "if name in stale:", "if False:"),
    "a close code of a refusal": ("connect.py", '"code": code}', '"code": 4000}'),
    "a refusal after accept": ("connect.py", "admission.close = _login_code(first, outcomes)", "pass"),
    "an event whose except sends": ("run.py", "if not guard.is_quiet:", "if False:"),
    "a state that is kept": ("run.py", "if not self.context.may_set:", "if False:"),
    "a loop that stays": ("stays.py", "and _sleeps(node):", "and False:"),
    "a task that stays": ("stays.py", "and _holds_self(node):", "and False:"),
    "routes that cover each other": (
        "project.py",
        "collisions.settled(_apart(verdicts))",
        "collisions.settled(verdicts)",
    ),
    "origins of one validator": (
        "project.py",
        "if all(one in other for other in narrow) and",
        "if",
    ),
    "origins that are not checked": ("project.py", "    if not narrow:\n        return None\n", "    return None\n"),
    "a route behind another": ("project.py", "kept.append(_behind(verdict, kept))", "kept.append(verdict)"),
    "origins that match nothing": ("project.py", " and _ORIGIN.fullmatch(one)]", "]"),
    "the name of all others": ("messages.py", "c.special.value == OTHERS for path", "False for path"),
    "groups that could be mistaken": ("project.py", "collisions.settled(_apart(verdicts))", "_apart(verdicts)"),
    "a key that nobody uses": ("literals.py", "if need.is_asked or need.text not in evaluated", "if need.is_asked"),
    "a query that nobody uses": ("things.py", "run.needs(Expr(one.text, ", "str(Expr(one.text, "),
    "and, evaluated as a whole": ("expressions.py", 'asked["if_true"] = frozenset()', 'asked["always"] = frozenset()'),
    "a log that may do something": ("excepts.py", "if any(_may_act(one, frame) for", "if any(False for"),
    "a log that is not evaluated": ("run.py", "excepts.logged(self, value, frame)", "pass"),
    "a log of the project": (
        "excepts.py",
        'func.id == "print":',
        'func.id in ("print", "log"):\n            return True\n        if False:',
    ),
    "a call that others share": ("sharing.py", "if not self._is_known(node.func):", "if False:"),
    "a disconnect that is forgotten": ("bridged.py", 'parts.append("disconnect")', "pass"),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", MUTANTS if os.environ.get("MUTANTS") else [])
def test_a_mutant_fails_a_test(tmp_path, name):
    file, there, instead = MUTANTS[name]
    copy = tmp_path / "src"
    shutil.copytree(SOURCE, copy)
    path = copy / "channelgate" / "translate" / file
    text = path.read_text()
    assert text.count(there) == 1, f"{file} has this {text.count(there)} times: {there}"
    path.write_text(text.replace(there, instead))
    tests = ["test_law.py", "test_cases.py"]
    plugins = ["-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"]
    argv = [sys.executable, "-m", "pytest", "-q", "-x", *plugins, *tests]
    # Other plugins would load the package itself before its mutant.
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(argv, cwd=Path(__file__).parent, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, f"it lives: {done.stdout[-2000:]}{done.stderr[-500:]}"
