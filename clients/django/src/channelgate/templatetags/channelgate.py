"""`{% load channelgate %}`, then `{% channelgate_group "board.7" %}`: a token for the user of the request."""

from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured

from channelgate.signed import signed_group

register = template.Library()

#: The user of the request.
OF_REQUEST: Any = object()


@register.simple_tag(takes_context=True)  # type: ignore[untyped-decorator]
def channelgate_group(
    context: Any, group: str, user: Any = OF_REQUEST, expires: float = 3600, consumer: str | None = None
) -> str:
    """A token with which the page joins a group; see `channelgate.signed_group`."""
    return signed_group(group, _user(context) if user is OF_REQUEST else user, expires=expires, consumer=consumer)


def _user(context: Any) -> Any:
    request = context.get("request")
    if request is not None:
        # Without Django's authentication nobody is logged in.
        return getattr(request, "user", None)
    if "user" in context:
        return context["user"]
    raise ImproperlyConfigured(
        "{% channelgate_group %} needs the request: render the template with it, or write user=… in the tag"
    )
