"""How nodes and Django reach each other: the address that a node asks, the secret, the API key, where it listens."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host
from django.urls import NoReverseMatch, reverse

from channelgate.conf import conf
from channelgate.derive.origins import OF_DEVELOPMENT
from channelgate.derive.values import Derived

#: Where `manage.py runserver` listens.
DJANGO = "http://127.0.0.1:8000"
#: What the channels of plain publishes begin with.
PREFIX = "channelgate:"
NO_SECRET = 'CHANNELGATE["SECRET"] is not set: /channelgate/ answers 404, and nodes get no answers from Django.'
#: The last part of a path that `reverse` fills in.
_ACTION = "action"


def add(derived: Derived, backend: str | None = None, listen: str | None = None, proxy: bool = False) -> None:
    """Adds the variables; `backend` is where Django answers, `listen` where the node listens."""
    _listen(derived, listen)
    url = (backend or DJANGO).rstrip("/")
    if not _is_url(url):
        derived.problem("--backend is not the URL of Django.", f"Write a URL such as {DJANGO}.", "error")
        return
    if proxy:
        parts = urlsplit(url)
        derived.put("server.proxy", f"{parts.scheme}://{parts.netloc}", "--proxy")
    prefix = conf().prefix
    if prefix != PREFIX:
        derived.put("layer.publish_prefix", prefix, 'CHANNELGATE["PREFIX"]')
    key = conf().api_key
    if key:
        derived.put("api.key", key, 'CHANNELGATE["API_KEY"]', name="CHANNELGATE_API_KEY", secret=True)
    secrets = conf().secrets
    if not secrets:
        derived.problem(NO_SECRET, "Consumers and actions of Django need it; others do not.", "note")
        return
    path = answers_at()
    if path is None:
        derived.problem(
            "No URL of the project leads to channelgate.urls: nodes get no answers from Django.",
            'Add path("channelgate/", include("channelgate.urls")) to the project\'s urls.py.',
        )
        return
    _host_is_allowed(derived, url)
    source = "--backend" if backend else 'path("channelgate/", include("channelgate.urls"))'
    derived.put("backend.url", url + path, source, name="CHANNELGATE_BACKEND_URL", beside=("backend.worker",))
    # While a secret is exchanged Django accepts all of them; the first is the new one.
    secret = secrets[0].decode()
    source = 'CHANNELGATE["SECRET"]'
    derived.put("backend.secret", secret, source, name="CHANNELGATE_BACKEND_SECRET", secret=True)


def _is_url(text: str) -> bool:
    """Whether a node can call it; a password in it would be shown as an address is."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in text
    except ValueError:
        return False


def answers_at() -> str | None:
    """The path of `channelgate.urls`, or that of `bridge()` around the ASGI application; None if there is neither."""
    from channelgate import views

    try:
        # A project with consumers only may have no URLs.
        if not getattr(settings, "ROOT_URLCONF", None):
            raise NoReverseMatch
        return str(reverse(views.answer, args=[_ACTION])).removesuffix(f"/{_ACTION}")
    except NoReverseMatch:
        pass
    from channelgate.bridge.entry import BridgeApplication
    from channelgate.derive.origins import application

    found = application()
    return found.prefix.rstrip("/") if isinstance(found, BridgeApplication) else None


def _host_is_allowed(derived: Derived, url: str) -> None:
    """A node names the host of `backend.url`, and Django refuses hosts that it does not know."""
    host = urlsplit(url).hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    allowed: list[Any] = list(settings.ALLOWED_HOSTS)
    if settings.DEBUG and not allowed:
        allowed = [".localhost", *OF_DEVELOPMENT]
    if not validate_host(bracketed, allowed):
        derived.problem(
            f'ALLOWED_HOSTS does not have "{bracketed}", under which nodes call Django: it answers them with 400.',
            f'Add "{bracketed}" to ALLOWED_HOSTS, or name another address: --backend.',
        )
    if getattr(settings, "SECURE_SSL_REDIRECT", False) and url.startswith("http:"):
        derived.problem(
            "SECURE_SSL_REDIRECT is set: Django answers calls over http with a redirect, which nodes do not follow.",
            'Add r"^channelgate/" to SECURE_REDIRECT_EXEMPT, or name an https address: --backend.',
        )


def _listen(derived: Derived, listen: str | None) -> None:
    if listen is not None:
        derived.put("server.listen", listen, "--port", name="CHANNELGATE_LISTEN")
        return
    url = conf().url
    address = address_of(url)
    derived.put("server.listen", address or "127.0.0.1:8001", 'CHANNELGATE["URL"]', name="CHANNELGATE_LISTEN")
    if address is None:
        derived.problem(
            f'CHANNELGATE["URL"] is {url}, which is not an address of this machine: '
            "the node listens at 127.0.0.1:8001.",
            "Name another place with --port, or server.listen in channelgate.toml.",
            "note",
        )


def address_of(url: str) -> str | None:
    """Where a node listens that is found at this URL; None if it is behind a proxy or elsewhere."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not (host == "localhost" or host.startswith("127.") or host == "::1"):
        return None
    port = parts.port or 80
    return f"[::1]:{port}" if host == "::1" else f"{'127.0.0.1' if host == 'localhost' else host}:{port}"
