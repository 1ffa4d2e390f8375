"""The view of `channelgate.urls`. Calls are streamed, under WSGI as well as under Django's ASGI handler."""

import functools
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from channelgate import answers, signature
from channelgate.bridge import reply
from channelgate.bridge import request as requests
from channelgate.bridge.entry import ACTION_LIMIT, CALL_LIMIT, BridgeApplication, make_runner
from channelgate.bridge.refusals import Refused
from channelgate.conf import conf


def _answer(request: HttpRequest, name: str) -> Any:
    if request.method != "POST":
        return HttpResponse(status=405, headers={"Allow": "POST"})
    wrong = _wrong(request, name)
    if wrong is not None:
        return _json(wrong[0], signature.refusal(wrong[1]))
    if name == "channels":
        return _calls(request)
    status, body = answers.answer_body(name, request.body, request.headers.get("Idempotency-Key", ""))
    return _json(status, body)


# No browser uses this, and the signature identifies the sender. A call outlives a transaction.
answer = transaction.non_atomic_requests(csrf_exempt(_answer))


def _wrong(request: HttpRequest, name: str) -> tuple[int, str] | None:
    """The refusal of a request that does not come from a node."""
    secrets = conf().secrets
    timestamp = request.headers.get("X-Channelgate-Timestamp", "").encode("latin-1", "replace")
    given = request.headers.get("X-Channelgate-Signature", "").encode("latin-1", "replace")
    limit = CALL_LIMIT if name == "channels" else ACTION_LIMIT
    early = signature.unsigned(secrets, timestamp, given)
    if early is not None:
        return early
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not str(length).isdigit() or int(length) > limit:
        return 413, f"The body has more than {limit} bytes"
    # Read here: `request.body` has a limit of the project's own, made for uploads.
    body = request.read(limit + 1)
    request._body = body
    if len(body) > limit:
        return 413, f"The body has more than {limit} bytes"
    return signature.problem(secrets, timestamp, given, body)


def _calls(request: HttpRequest) -> Any:
    try:
        items, batch = requests.read(request.body)
    except requests.Malformed as malformed:
        return _json(400, {"message": str(malformed)})
    except Refused as refused:
        return _refused(refused)
    try:
        runner = project_runner()
    except Refused as refused:
        return _refused(refused)
    from channelgate.bridge import stream

    lines = (stream.asynchronous if isinstance(request, ASGIRequest) else stream.synchronous)(runner, items, batch)
    response = StreamingHttpResponse(lines, content_type=reply.CONTENT_TYPE.decode())
    response["Cache-Control"] = "no-store"
    # nginx between the node and Django would collect the lines.
    response["X-Accel-Buffering"] = "no"
    return response


def _refused(refused: Refused) -> HttpResponse:
    return HttpResponse(reply.line(refused.end), content_type=reply.CONTENT_TYPE.decode())


def _json(status: int, body: Any) -> HttpResponse:
    response = HttpResponse(answers.dumps(body), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


@functools.lru_cache(maxsize=1)
def project_runner() -> Any:
    """The runner of `settings.ASGI_APPLICATION`."""
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        raise ImproperlyConfigured("channelgate.urls needs settings.ASGI_APPLICATION: it names the consumers' routes")
    application = import_string(dotted)
    if isinstance(application, BridgeApplication):
        return application.runner
    return make_runner(application)
