"""`{% load channelgate %}`, then `{% channelgate_group "board.7" %}`: a token for the user of the request, and
`{% channelgate_script %}`: the client for pages without a bundler."""

import json
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from channelgate.signed import signed_group

register = template.Library()

#: The name under which a page imports the client: that of the npm package.
CLIENT = "@channelgate/client"
#: What may not stand in a script.
ESCAPES = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}
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


@register.simple_tag(takes_context=True)  # type: ignore[untyped-decorator]
def channelgate_script(context: Any, elements: str = "", nonce: Any = None) -> SafeString:
    """Lets scripts of the page write `import { connect } from "@channelgate/client"`.

    `{% channelgate_script "elements" %}` also connects elements with `cg-connect`. Under a content security policy the
    scripts have its nonce: that of Django 6 or of django-csp, or `nonce=…`.
    """
    if elements not in ("", "elements"):
        raise template.TemplateSyntaxError(f'{{% channelgate_script %}} takes "elements" or nothing, not {elements!r}')
    attribute = _nonce(context) if nonce is None else format_html(' nonce="{}"', nonce)
    imports = json.dumps({"imports": {CLIENT: static("channelgate/client.js")}}).translate(ESCAPES)
    scripts = [format_html('<script type="importmap"{}>{}</script>', attribute, mark_safe(imports))]
    if elements:
        scripts.append(
            format_html('<script type="module" src="{}"{}></script>', static("channelgate/elements.js"), attribute)
        )
    return mark_safe("\n".join(scripts))


def _nonce(context: Any) -> SafeString:
    """The nonce of the response: reading it has the middleware put it into the policy."""
    for name in ("csp_nonce", "CSP_NONCE"):
        if name in context:
            return format_html(' nonce="{}"', context[name])
    nonce = getattr(context.get("request"), "csp_nonce", None)
    return mark_safe("") if nonce is None else format_html(' nonce="{}"', nonce)
