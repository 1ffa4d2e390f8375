"""Pages as projects have them: a form, an upload, a download, a stream of events, and one that shows its request."""

import asyncio
import hashlib

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.views.decorators.csrf import csrf_exempt

from .notes import note

PAGE = """<!doctype html><title>A project</title><link rel="stylesheet" href="/static/behind/site.css">
<form method="post">{% csrf_token %}<input name="name"></form>"""

#: A piece of a download.
PIECE = bytes(range(256)) * 256


def template():
    return engines["django"].from_string(PAGE)


def page(request):
    """A form that needs its token."""
    if request.method == "POST":
        return HttpResponse(f"Hello {request.POST['name']}")
    return HttpResponse(template().render({}, request))


@csrf_exempt
def upload(request):
    """The size and the hash of a body, read piece by piece."""
    digest, size = hashlib.sha256(), 0
    while piece := request.read(65536):
        digest.update(piece)
        size += len(piece)
    return JsonResponse({"size": size, "sha256": digest.hexdigest()})


def download(request, size):
    """So many bytes in pieces; its length is known if asked for."""

    def pieces():
        left = size
        while left > 0:
            yield PIECE[:left]
            left -= len(PIECE)

    response = StreamingHttpResponse(pieces(), content_type="application/octet-stream")
    if "length" in request.GET:
        response["Content-Length"] = size
    return response


async def events(request, who):
    """Server-sent events, one for each line that the test adds, until the client goes."""

    async def stream():
        number = 0
        try:
            while True:
                number += 1
                yield f"data: {number}\n\n"
                await asyncio.sleep(0.2)
        finally:
            note(f"{who} left the events")

    return StreamingHttpResponse(stream(), content_type="text/event-stream")


async def never(request, who):
    """No answer, until the client goes."""
    note(f"{who} waits")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        note(f"{who} left")
        raise


def redirect(request):
    """A redirect with two cookies."""
    response = HttpResponseRedirect(request.build_absolute_uri("/seen/"))
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "2", samesite="Lax")
    return response


@csrf_exempt
def seen(request):
    """The request as Django sees it."""
    note(f"{request.method} {request.get_full_path()}")
    headers = {name: value.encode("latin-1").hex() for name, value in request.headers.items()}
    body = request.body.decode("latin-1")
    return JsonResponse({"method": request.method, "path": request.path, "headers": headers, "body": body})
