"""Checks of the node: whether it is ready, whether it takes the API key, and which paths it serves."""

from collections.abc import Iterator

from channelgate.doctor import web
from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, fail, ok, warn
from channelgate.nodefile.paths import fill, made_up

RUN = "python manage.py channelgate run"
#: What `status` may be (docs/HEALTH.md).
KNOWN = ("ready", "degraded", "not ready", "draining")
#: What a node says to an ordinary request at the path of a consumer.
SPEAKS = "this path speaks WebSocket"


def is_ready(context: Context) -> Iterator[Result]:
    """`/health/ready`."""
    where = context.node
    try:
        answer = web.ask(where, "/health/ready")
    except web.NoAnswer as error:
        yield fail(f"The node at {where} does not answer: {error}", f'{RUN}, or correct CHANNELGATE["URL"].')
        return
    body = answer.json()
    status = body.get("status") if isinstance(body, dict) else None
    reason = body.get("reason", status) if isinstance(body, dict) else None
    if status not in KNOWN:
        yield fail(
            f"The node at {where} says: {answer.reason}, which is not the answer of a node",
            'Something else listens there: correct CHANNELGATE["URL"].',
        )
    elif status == "ready":
        yield ok(f"The node at {where} is ready")
    elif answer.status == 200:
        yield warn(f"The node at {where} is {status}: {reason}", "docs/HEALTH.md says what each reason means.")
    else:
        yield fail(f"The node at {where} says: {reason}", "docs/HEALTH.md says what each reason means.")


def takes_api_key(context: Context) -> Iterator[Result]:
    """The API key, which doctor, tail and publish over HTTP need."""
    set_both = 'Set CHANNELGATE["API_KEY"] and CHANNELGATE_API_KEY of the node to the same text.'
    if context.api_key is None:
        yield warn('CHANNELGATE["API_KEY"] is not set: doctor and tail cannot look into the node', set_both)
        context.broken.add("the API key")
        return
    # A request without a body is refused for its body, after its key was looked at; nothing is published.
    headers = {"Authorization": f"Bearer {context.api_key}"}
    answer = web.ask(context.node, "/api/publish", method="POST", headers=headers, body=b"")
    if answer.status not in (401, 403):
        return
    context.broken.add("the API key")
    if answer.status == 401:
        yield fail(f'The node at {context.node} does not accept CHANNELGATE["API_KEY"]', set_both)
    else:
        yield warn(f"The node at {context.node} has no API key: doctor cannot look into it", set_both)


def serves_paths(context: Context) -> Iterator[Result]:
    """Whether the running node has the consumers of channelgate.toml."""
    if context.node_file is None:
        return
    missing: list[str] = []
    for consumer in context.node_file.consumers:
        if consumer.protocol != "websocket":
            continue
        for path in consumer.paths:
            # Without an upgrade no consumer is asked.
            answer = web.ask(context.node, fill(path, made_up))
            if answer.status == 404:
                missing.append(path)
    context.not_served.update(missing)
    if missing:
        yield fail(
            f"The node at {context.node} does not serve {', '.join(missing)}",
            f"Its configuration is another file, or was read before the change: {RUN}, or reload it (kill -HUP).",
        )
