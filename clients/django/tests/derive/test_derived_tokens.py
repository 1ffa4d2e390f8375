"""`SECRET_KEY` and `SIMPLE_JWT` become a node's rules, never wider than the project's."""

import datetime

import pytest

from channelgate.derive import derived, tokens

JWT = "CHANNELGATE__AUTH__JWT__"
PEM = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"


def jwt_of(found):
    return {one.name.removeprefix(JWT): one.value for one in found.variables if one.name.startswith(JWT)}


def test_the_keys_of_django(settings):
    settings.SECRET_KEY = "k'$\\"
    settings.SECRET_KEY_FALLBACKS = ["old, key", b"older"]
    found = derived()
    assert found.environment()["DJANGO_SECRET_KEY"] == "k'$\\"
    assert found.environment()["CHANNELGATE__AUTH__SECRET_KEY_FALLBACKS"] == '["old, key", "older"]'
    assert found.get("auth.secret_key").secret and found.get("auth.secret_key_fallbacks").secret


def test_a_project_without_simplejwt_says_nothing_about_jwts(settings):
    assert jwt_of(derived()) == {}
    settings.SIMPLE_JWT = {"ALGORITHM": "HS256"}
    # Only the claim that simplejwt reads; the node's own default reads others, too.
    assert jwt_of(derived()) == {"USER_ID_CLAIMS": '["user_id"]'}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"SIGNING_KEY": "other"}, {"SIGNING_KEY": '"other"'}),
        ({"SIGNING_KEY": "of-django"}, {}),
        ({"ALGORITHM": "RS256", "VERIFYING_KEY": "PEM", "SIGNING_KEY": "private"}, {"VERIFYING_KEY": '"PEM"'}),
        ({"ALGORITHM": "RS256", "JWK_URL": "https://h/k"}, {"JWK_URL": '"https://h/k"'}),
        ({"AUDIENCE": "a", "ISSUER": "i"}, {"AUDIENCE": '["a"]', "ISSUER": '["i"]'}),
        ({"AUDIENCE": ["a", "b"]}, {"AUDIENCE": '["a", "b"]'}),
        ({"LEEWAY": 10}, {"LEEWAY": "10"}),
        ({"LEEWAY": datetime.timedelta(seconds=1.5)}, {"LEEWAY": "1.5"}),
        ({"USER_ID_CLAIM": "sub"}, {"USER_ID_CLAIMS": '["sub"]'}),
        ({"TOKEN_TYPE_CLAIM": None, "JTI_CLAIM": None}, {"TOKEN_TYPE_CLAIM": '""', "JTI_CLAIM": '""'}),
        ({"AUTH_HEADER_TYPES": ("JWT", "Bearer")}, {"SOURCES": '["query:token", "header:JWT", "header"]'}),
        ({"AUTH_HEADER_NAME": "HTTP_X_TOKEN"}, {"SOURCES": '["query:token", "header:HTTP_X_TOKEN:Bearer"]'}),
        (
            {"AUTH_TOKEN_CLASSES": [f"rest_framework_simplejwt.tokens.{one}Token" for one in ("Access", "Sliding")]},
            {"TOKEN_TYPE": '["access", "sliding"]'},
        ),
    ],
)
def test_a_setting_of_simplejwt(settings, given, expected):
    settings.SECRET_KEY = "of-django"
    settings.SIMPLE_JWT = given
    found = jwt_of(derived())
    algorithm = given.get("ALGORITHM")
    base = {"USER_ID_CLAIMS": '["user_id"]'} | ({"ALGORITHM": f'"{algorithm}"'} if algorithm else {})
    assert found == {**base, **expected}


def test_keys_are_secrets_and_pem_is_one_line(settings):
    settings.SIMPLE_JWT = {"ALGORITHM": "RS256", "VERIFYING_KEY": PEM}
    found = derived().get("auth.jwt.verifying_key")
    assert found.secret and "\n" not in found.value and "\\u000a" in found.value


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"ALGORITHM": "RS256"}, 'SIMPLE_JWT["VERIFYING_KEY"] is not set'),
        ({"SIGNING_KEY": object()}, 'SIMPLE_JWT["SIGNING_KEY"] is object'),
        ({"CHECK_REVOKE_TOKEN": True}, 'SIMPLE_JWT["CHECK_REVOKE_TOKEN"] is set'),
        ({"USER_ID_FIELD": "uuid"}, 'SIMPLE_JWT["USER_ID_FIELD"] is "uuid"'),
        ({"AUTH_TOKEN_CLASSES": ["nowhere.Token"]}, 'SIMPLE_JWT["AUTH_TOKEN_CLASSES"] has nowhere.Token'),
    ],
)
def test_what_a_node_cannot_know_is_said(settings, given, text):
    settings.SIMPLE_JWT = given
    (problem,) = [one for one in derived().problems if one.text.startswith("SIMPLE_JWT")]
    assert problem.text.startswith(text) and problem.hint


def test_types_that_only_django_can_judge_are_refused(settings, monkeypatch):
    sliding, untyped = (f"rest_framework_simplejwt.tokens.{one}Token" for one in ("Sliding", "Untyped"))
    settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": [sliding]}
    assert jwt_of(derived())["TOKEN_TYPE"] == '["sliding"]'
    real = tokens.apps.is_installed
    listed = "rest_framework_simplejwt.token_blacklist"
    monkeypatch.setattr(tokens.apps, "is_installed", lambda name: name == listed or real(name))
    found = derived()
    # Not the default of the node either, which would admit a type that the project does not.
    assert jwt_of(found)["TOKEN_TYPE"] == f'["{tokens.NONE}"]'
    assert any("may be on the blacklist" in one.text for one in found.problems)
    settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": [untyped, "rest_framework_simplejwt.tokens.AccessToken"]}
    found = derived()
    assert "TOKEN_TYPE" not in jwt_of(found) and any("UntypedToken" in one.text for one in found.problems)


def test_the_cookie_of_sessions_is_for_consumers_that_ask_django(settings):
    assert derived().get("auth.django.cookies") is None
    settings.SESSION_COOKIE_NAME = "shop_session"
    found = derived().get("auth.django.cookies")
    assert (found.value, found.only_with) == ('["shop_session"]', "django")
