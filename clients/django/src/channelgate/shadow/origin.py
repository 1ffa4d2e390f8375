"""The `Origin` that both sides get: one that Django's own validator accepts."""

from urllib.parse import urlsplit


def default(left: str) -> str:
    """The page's origin: the left's own host if ALLOWED_HOSTS has it, else the first host that it names."""
    from django.conf import settings
    from django.http.request import validate_host

    parts = urlsplit(left)
    secure = "https" if parts.scheme == "wss" else "http"
    allowed = list(settings.ALLOWED_HOSTS)
    if not allowed and settings.DEBUG:
        allowed = [".localhost", "127.0.0.1", "[::1]"]
    host = parts.hostname or ""
    if validate_host(f"[{host}]" if ":" in host else host, allowed):
        return f"{secure}://{parts.netloc}"
    named = [one.lstrip(".") for one in allowed if one != "*"]
    return f"https://{named[0]}" if named else f"{secure}://{parts.netloc}"
