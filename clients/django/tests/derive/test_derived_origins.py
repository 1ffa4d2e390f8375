"""The law of origins: with the derived list a node admits no page that the project's own validators refuse."""

import itertools
from urllib.parse import urlparse

import pytest
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator
from django.urls import path

from channelgate import bridge
from channelgate.derive import derived, origins
from channelgate.nodefile import loads


async def consumer(scope, receive, send):
    """A consumer without a check."""


class Strict(OriginValidator):
    """A validator with a rule of its own."""

    def validate_origin(self, parsed_origin):
        return False


class Named(OriginValidator):
    """A validator that only has another name."""


def router(*apps):
    return ProtocolTypeRouter({"websocket": URLRouter([path(f"ws/{n}/", app) for n, app in enumerate(apps)])})


@pytest.fixture
def application(monkeypatch, settings):
    """Sets the application that the settings name."""

    def set_to(made):
        from project import asgi

        monkeypatch.setattr(asgi, "application", made)
        settings.ASGI_APPLICATION = "project.asgi.application"

    return set_to


def listed(found):
    one = found.get("server.allowed_origins")
    return None if one is None else loads(f"list = {one.value}")["list"]


def test_allowed_hosts_counts_where_a_validator_uses_it(settings, application):
    settings.ALLOWED_HOSTS = ["example.com", ".example.org"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://elsewhere.example"]
    for made in (
        AllowedHostsOriginValidator(consumer),
        router(AllowedHostsOriginValidator(consumer), consumer),
        bridge(router(AllowedHostsOriginValidator(consumer))),
        ProtocolTypeRouter({"websocket": Named(router(consumer), ["example.com", ".example.org"])}),
    ):
        application(made)
        # Trust for forms is not trust for sockets: the project refuses that origin.
        assert listed(derived()) == ["example.com", ".example.org"]


def test_the_hosts_of_development(settings, application):
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    application(AllowedHostsOriginValidator(consumer))
    assert listed(derived()) == ["localhost", "127.0.0.1", "[::1]"]


def test_a_list_of_the_projects_own(settings, application):
    application(router(OriginValidator(consumer, ["https://a.example:8443", ".b.example"])))
    found = derived()
    assert listed(found) == ["https://a.example:8443", ".b.example"]
    assert found.get("server.allowed_origins").source == "OriginValidator in ASGI_APPLICATION"


def test_of_several_lists_what_all_allow(settings, application):
    application(router(OriginValidator(consumer, ["a.example", "b.example"]), OriginValidator(consumer, ["b.example"])))
    found = derived()
    assert listed(found) == ["b.example"]
    assert any("allow different origins" in one.text for one in found.problems)
    application(router(OriginValidator(consumer, ["a.example"]), OriginValidator(consumer, ["b.example"])))
    assert listed(derived()) == []


def test_a_validator_with_rules_of_its_own_is_a_problem(settings, application):
    settings.ALLOWED_HOSTS, settings.CSRF_TRUSTED_ORIGINS = ["a.example"], ["https://a.example"]
    application(router(Strict(consumer, ["a.example"])))
    found = derived()
    assert listed(found) is None
    assert any("test_derived_origins.Strict checks origins by rules of its own" in one.text for one in found.problems)


def test_without_a_validator_the_node_keeps_to_its_own_host(settings, application):
    application(router(consumer))
    settings.ALLOWED_HOSTS = ["example.com"]
    assert listed(derived()) is None
    # Pages of other hosts are known where Django trusts them, and those of other ports in development.
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example.com", "https://*.example.net"]
    assert listed(derived()) == ["example.com", "https://app.example.com", "https://.example.net"]
    settings.DEBUG, settings.CSRF_TRUSTED_ORIGINS = True, []
    assert listed(derived()) == ["example.com", "localhost", "127.0.0.1", "[::1]"]


def test_a_star_is_never_handed_on(settings, application):
    settings.ALLOWED_HOSTS = ["*"]
    for made in (
        AllowedHostsOriginValidator(consumer),
        router(consumer),
        OriginValidator(consumer, ["*", "a.example"]),
    ):
        application(made)
        found = derived()
        assert listed(found) is None
        (problem,) = [one for one in found.problems if "ALLOWED_HOSTS" in one.text]
        assert problem.text.startswith('ALLOWED_HOSTS is ["*"]')


def test_entries_that_match_nothing_are_left_out(settings, application):
    useless = ["*.example.com", "localhost:3000", "bad host", ".", "", "exämple.com", "null/"]
    settings.ALLOWED_HOSTS = ["good.example", "127.0.0.1:8000", *useless, "http://[::1]:80", "[::1]", "my_host"]
    application(AllowedHostsOriginValidator(consumer))
    found = derived()
    assert listed(found) == ["good.example", "127.0.0.1:8000", "http://[::1]:80", "[::1]", "my_host"]
    assert any("can match no origin, and is left out" in one.text for one in found.problems)


def test_an_application_that_cannot_be_imported_is_a_problem(settings):
    settings.ASGI_APPLICATION = "nowhere.application"
    assert any(one.text.startswith("ASGI_APPLICATION cannot be imported") for one in derived().problems)


HOSTS = ["a.example", "sub.a.example", "b.example", "localhost", "127.0.0.1", "[::1]", "xn--exmple-cua.com"]
ORIGINS = [
    None,
    *(f"{scheme}://{host}{port}" for scheme in ("http", "https") for host in HOSTS for port in ("", ":81")),
]
ENTRIES = ["a.example", ".a.example", "https://a.example", "http://.b.example:81", "*.a.example", "localhost:3000", "*"]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("wrapped", [True, False])
def test_nothing_is_admitted_that_the_project_refuses(settings, application, debug, wrapped):
    settings.DEBUG = debug
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example", "https://*.b.example"]
    checked = 0
    for length in (0, 1, 2):
        for hosts in itertools.combinations(ENTRIES, length):
            settings.ALLOWED_HOSTS = list(hosts)
            theirs = AllowedHostsOriginValidator(consumer)
            application(theirs if wrapped else router(consumer))
            ours = listed(derived())
            if ours is None or not wrapped:
                assert ours is None or "*" not in ours
                continue
            node = OriginValidator(consumer, ours)
            for origin in ORIGINS:
                parsed = None if origin is None else urlparse(origin)
                assert theirs.valid_origin(parsed) or not node.valid_origin(parsed), (hosts, ours, origin)
                checked += 1
    assert checked > 500 or not wrapped


def test_the_walk_ends_with_applications_that_contain_themselves():
    class Loop:
        pass

    one = Loop()
    one.app = one
    assert origins.validators(one) == origins.Validators()
