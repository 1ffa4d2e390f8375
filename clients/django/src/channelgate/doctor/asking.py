"""Whether the node can ask Django: it is made to ask who a client is, and its counters say how that ended."""

import importlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator

from channelgate import signature
from channelgate.conf import conf
from channelgate.doctor import handshakes, web
from channelgate.doctor.context import Context
from channelgate.doctor.logins import TRY_LATER
from channelgate.doctor.result import Result, fail, ok, skip

ACTION = "who_am_i"
#: Seconds for a node that waits for Django: more than `backend.timeout`.
PATIENCE = 6.0
MOUNT = "Mount channelgate at backend.url: bridge(…) in asgi.py, or channelgate.urls."
_SERIES = re.compile(r"^channelgate_backend_calls_total\{(?P<labels>[^}]*)\} (?P<value>[0-9.e+]+)", re.MULTILINE)
#: What a node answers if Django says that the cookie is not a login, which is what it says of a made-up one.
KNOWN = "the login is not valid or has ended"


def node_asks_django(context: Context) -> Iterator[Result]:
    """A handshake with a cookie that no session has, at a consumer with `auth = ["django"]`."""
    if not any(one.asks_django for one in context.consumers):
        return
    asking = [one for one in handshakes.turned_away(context) if one.consumer.auth[0] == "django"]
    if not asking:
        if context.accepted_by is not None:
            yield ok(f"The node can ask Django: {context.accepted_by} has accepted a socket")
        else:
            yield from _from_here(context)
        return
    cookies = context.node_file.get("auth.django.cookies") if context.node_file else None
    name = (cookies or ["sessionid"])[0]
    page = handshakes.origin(context)
    headers = {"Cookie": f"{name}={secrets.token_hex(16)}", "Origin": page}
    before = _calls(context)
    began = time.perf_counter()
    host = handshakes.host_of(page)
    one = min(asking, key=lambda one: one.closes)
    answer = web.handshake(context.node, one.path, headers=headers, host=host, timeout=PATIENCE, waits=one.closes)
    took = (time.perf_counter() - began) * 1000
    # Of those that are closed, only the code of `unavailable` says that Django was not asked.
    is_known = answer.status == 403 and KNOWN in answer.detail
    if is_known or (answer.close is not None and answer.close != TRY_LATER):
        yield ok(f"The node can ask Django: {ACTION} answered 401 in {took:.0f} ms")
        return
    if answer.status == 403 and "origin" in answer.detail:
        yield skip(f"Whether the node can ask Django: the origin {page} is refused; name the site with --site")
        return
    yield _diagnosis(context, _outcomes(before, _calls(context)), answer)


def _calls(context: Context) -> dict[str, float]:
    """How many questions of the node had which outcome."""
    text = web.ask(context.node, "/metrics").body.decode("utf-8", "replace")
    found: dict[str, float] = {}
    for match in _SERIES.finditer(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
        if labels.get("action") == ACTION:
            found[labels.get("outcome", "")] = float(match["value"])
    return found


def _outcomes(before: dict[str, float], after: dict[str, float]) -> set[str]:
    return {name for name, value in after.items() if value > before.get(name, 0)}


def _diagnosis(context: Context, outcomes: set[str], answer: web.Answer) -> Result:
    """Why the node could not ask: its counters, and what Django answers to the same question from here."""
    here = _asked_from_here(context)
    if "4xx" in outcomes and isinstance(here, web.Answer):
        if here.status in (200, 401):
            return _secret("the node's is not that of Django", 403)
        if here.status == 403:
            return _secret("Django runs with another one than these settings", 403)
        if here.status == 404:
            return fail(
                f"The node cannot ask Django: 404: {here.reason}",
                f'Set CHANNELGATE["SECRET"]. {MOUNT}',
            )
    said = ", ".join(sorted(outcomes)) or answer.reason
    if "unreachable" in outcomes or isinstance(here, str):
        why = here if isinstance(here, str) else "it is not reachable from the node"
        return fail(
            f"The node cannot ask Django: {why}",
            f"Does Django run at backend.url of the node ({_backend(context) or 'not set here'})?",
        )
    return fail(f"The node cannot ask Django: {said}", "The node's log has the reason (backend).")


def _secret(why: str, status: int) -> Result:
    return fail(
        f"The node cannot ask Django: {status}: SECRET differs",
        f'{why[:1].upper()}{why[1:]}: CHANNELGATE_BACKEND_SECRET of the node is CHANNELGATE["SECRET"]. '
        "python manage.py channelgate run sets it.",
    )


def _from_here(context: Context) -> Iterator[Result]:
    """No consumer asks at a handshake without an effect, so the question comes from here."""
    url = _backend(context)
    if url is None:
        yield skip("Whether the node can ask Django: backend.url is not in channelgate.toml or CHANNELGATE_BACKEND_URL")
        return
    if not conf().secrets:
        yield fail(
            'CHANNELGATE["SECRET"] is not set: /channelgate/ answers 404, and nodes get no answers from Django.',
            "Set it, and CHANNELGATE_BACKEND_SECRET of the node, to the same text.",
        )
        return
    began = time.perf_counter()
    here = _asked_from_here(context)
    took = (time.perf_counter() - began) * 1000
    if here is None:
        return
    if isinstance(here, str):
        yield fail(
            f"Django at {url} does not answer: {here}",
            "Start Django, or correct backend.url; if run was started with --backend URL, name it here, too. "
            "CHANNELGATE_BACKEND_URL of the node counts as well.",
        )
    elif here.status in (200, 401) and not _is_of_signature(here):
        yield ok(f"Django at {url} answers: {ACTION} answered {here.status} in {took:.0f} ms (asked from here)")
    elif here.status == 403:
        yield fail(
            f"Django at {url} answers 403: SECRET differs",
            'It runs with another CHANNELGATE["SECRET"] than these settings: restart it.',
        )
    else:
        yield fail(
            f"Django at {url} answers {here.reason}",
            MOUNT,
        )


def _asked_from_here(context: Context) -> web.Answer | str | None:
    """Django's answer to a question of this process, signed as a node signs; or the reason why it did not answer."""
    url, known = _backend(context), conf().secrets
    if url is None or not known:
        return None
    data = {"cookies": {"sessionid": secrets.token_hex(16)}}
    question = {"action": ACTION, "data": data, "user": None, "connection": "", "consumer": ""}
    body = json.dumps(question).encode()
    timestamp = str(int(time.time())).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Channelgate-Timestamp": timestamp.decode(),
        "X-Channelgate-Signature": signature.sign(known[0], timestamp, body).decode(),
    }
    path = url.partition("://")[2].partition("/")[2].rstrip("/")
    try:
        return web.ask(url, f"/{path}/{ACTION}".replace("//", "/"), method="POST", headers=headers, body=body)
    except web.NoAnswer as error:
        return str(error)


def _is_of_signature(answer: web.Answer) -> bool:
    body = answer.json()
    return isinstance(body, dict) and body.get("kind") == "signature"


def _backend(context: Context) -> str | None:
    """Where the node asks: what `run` was started with, its variable, channelgate.toml, or the settings."""
    if context.backend:
        return _derived(context.backend)
    written = context.node_file.get("backend.url") if context.node_file else None
    found = os.environ.get("CHANNELGATE_BACKEND_URL") or written or _derived()
    return found if isinstance(found, str) else None


def _derived(backend: str | None = None) -> str | None:
    try:
        derive = importlib.import_module("channelgate.derive")
    except ModuleNotFoundError:
        return None
    found: str | None = derive.derived(backend=backend).environment().get("CHANNELGATE_BACKEND_URL")
    return found
