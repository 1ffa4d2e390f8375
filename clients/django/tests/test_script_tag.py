"""`{% channelgate_script %}`: where the client is, and under which nonce."""

import json
import re

import pytest
from django.contrib.staticfiles.finders import AppDirectoriesFinder
from django.template import Context, Engine, TemplateSyntaxError

ENGINE = Engine(libraries={"channelgate": "channelgate.templatetags.channelgate"})


def rendered(tag="channelgate_script", **context):
    return ENGINE.from_string("{% load channelgate %}{% " + tag + " %}").render(Context(context))


@pytest.fixture(autouse=True)
def static_url(settings):
    settings.STATIC_URL = "https://cdn.example/s/"


def imports(html):
    (text,) = re.findall(r'<script type="importmap"[^>]*>(.*?)</script>', html)
    return json.loads(text)["imports"]


def test_scripts_import_the_client_by_the_name_of_the_package():
    assert imports(rendered()) == {"@channelgate/client": "https://cdn.example/s/channelgate/client.js"}
    assert "elements" not in rendered()
    html = rendered('channelgate_script "elements"')
    assert '<script type="module" src="https://cdn.example/s/channelgate/elements.js"></script>' in html
    with pytest.raises(TemplateSyntaxError, match="element"):
        rendered('channelgate_script "element"')


def test_the_address_cannot_end_the_script(settings):
    settings.STATIC_URL = "https://cdn.example/</script>&"
    html = rendered()
    assert html.count("</script>") == 1
    assert imports(html)["@channelgate/client"].endswith("channelgate/client.js")


class Request:
    csp_nonce = "of-the-request"


class Lazy:
    """Django's: false until somebody has read it."""

    def __bool__(self):
        return False

    def __str__(self):
        return "lazy"


@pytest.mark.parametrize(
    ("context", "tag", "nonce"),
    [
        ({"request": Request()}, "", "of-the-request"),
        ({"csp_nonce": Lazy(), "request": Request()}, "", "lazy"),
        ({"CSP_NONCE": "of-django-csp"}, "", "of-django-csp"),
        ({"csp_nonce": "x", "own": "<own>"}, "nonce=own", "&lt;own&gt;"),
    ],
)
def test_every_script_has_the_nonce(context, tag, nonce):
    html = rendered(f'channelgate_script "elements" {tag}', **context)
    assert re.findall(r"<script [^>]*?nonce=\"([^\"]*)\"", html) == [nonce, nonce]


def test_without_a_policy_there_is_no_nonce():
    assert "nonce" not in rendered('channelgate_script "elements"')


def test_the_files_are_found_as_static_files():
    finder = AppDirectoriesFinder()
    for name in ("client.js", "elements.js"):
        assert finder.find(f"channelgate/{name}")
