"""The real simplejwt as judge: what Django accepts with the same settings and the same token."""

import contextlib

from django.conf import settings

import django

if not settings.configured:
    settings.configure()
if not settings.INSTALLED_APPS:
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"]
    settings.SECRET_KEY = "settings of this process, never a key of a token"
    django.setup()

from rest_framework_simplejwt import authentication, tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken, SlidingToken

__all__ = ["AccessToken", "SlidingToken", "user_of"]

#: Settings of SIMPLE_JWT that its token backend takes.
OF_BACKEND = {
    "ALGORITHM": "algorithm",
    "SIGNING_KEY": "signing_key",
    "VERIFYING_KEY": "verifying_key",
    "AUDIENCE": "audience",
    "ISSUER": "issuer",
    "JWK_URL": "jwk_url",
    "LEEWAY": "leeway",
}


@contextlib.contextmanager
def configured(**simple_jwt):
    """simplejwt with these settings."""
    api_settings, before = tokens.api_settings, tokens.Token._token_backend
    apart = {key: value for key, value in simple_jwt.items() if key not in OF_BACKEND}
    saved = {key: getattr(api_settings, key) for key in apart}
    backend = {OF_BACKEND[key]: value for key, value in simple_jwt.items() if key in OF_BACKEND}
    tokens.Token._token_backend = TokenBackend(**{"algorithm": "HS256", **backend})
    for key, value in apart.items():
        setattr(api_settings, key, value)
    try:
        yield
    finally:
        tokens.Token._token_backend = before
        for key, value in saved.items():
            setattr(api_settings, key, value)


def user_of(token: str, **simple_jwt) -> str | None:
    """The id of the user of a token, or `None` if simplejwt refuses it, or fails at it (status 500)."""
    with configured(**simple_jwt):
        judge = authentication.JWTAuthentication.__new__(authentication.JWTAuthentication)
        try:
            claims = judge.get_validated_token(token.encode())
            return str(claims[tokens.api_settings.USER_ID_CLAIM])
        except (InvalidToken, TokenError, AuthenticationFailed, KeyError, TypeError, ValueError, OverflowError):
            return None
