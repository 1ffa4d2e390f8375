"""Keys and rules of tokens: `SECRET_KEY`, `SIMPLE_JWT`, `CHANNELGATE["WS_TOKEN"]` and the cookie of sessions."""

import datetime
import math
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from channelgate.conf import written as of_channelgate
from channelgate.derive.values import Derived, plain, text_of

#: simplejwt's defaults, for a project that has it without the setting.
DEFAULTS: dict[str, Any] = {
    "ALGORITHM": "HS256",
    "USER_ID_CLAIM": "user_id",
    "USER_ID_FIELD": "id",
    "TOKEN_TYPE_CLAIM": "token_type",
    "JTI_CLAIM": "jti",
    "AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.AccessToken",),
}
#: The node's own defaults; a rule that is equal needs no variable.
SAME = {
    "auth.jwt.algorithm": "HS256",
    "auth.jwt.token_type_claim": "token_type",
    "auth.jwt.token_type": ["access"],
    "auth.jwt.jti_claim": "jti",
}
#: A type that no token has.
NONE = "(a type of no token)"
#: The keys of JWTs, which belong together: a file with one of them has all.
KEYS = ("auth.jwt.algorithm", "auth.jwt.signing_key", "auth.jwt.verifying_key", "auth.jwt.jwk_url")
LET_DJANGO_SAY = 'Let Django say who a client is: auth = ["django"] in channelgate.toml.'


def add(derived: Derived) -> None:
    """Adds keys and rules of every kind of token, and the session's cookie."""
    _secret_key(derived)
    if _has_simplejwt():
        add_simplejwt(derived)
    algorithm = derived.get("auth.jwt.algorithm")
    is_shared = algorithm is None or algorithm.value.startswith('"HS')
    if is_shared and derived.get("auth.secret_key_fallbacks") and not derived.get("auth.jwt.signing_key"):
        # With SECRET_KEY alone nodes accept JWTs of earlier keys. Django's do, and neither simplejwt nor PyJWT does.
        key = text_of(plain(settings.SECRET_KEY))
        derived.put("auth.jwt.signing_key", key, "SECRET_KEY", secret=True, beside=KEYS)
    _ws_token(derived)
    cookie = str(settings.SESSION_COOKIE_NAME)
    if cookie != "sessionid":
        derived.put("auth.django.cookies", [cookie], "SESSION_COOKIE_NAME", only_with="django")


def add_simplejwt(derived: Derived) -> None:
    """Adds the keys and rules of `SIMPLE_JWT`."""
    given = plain(getattr(settings, "SIMPLE_JWT", None)) or {}
    if isinstance(given, Mapping):
        _SimpleJwt(derived, given).add()
    else:
        text = f"SIMPLE_JWT is not a dictionary, but {type(given).__name__}."
        derived.problem(text, 'Write {"ALGORITHM": "HS256"}, or leave it out.', "error")


def _secret_key(derived: Derived) -> None:
    key = text_of(plain(settings.SECRET_KEY))
    if not key or not key.strip():
        derived.problem("SECRET_KEY is not text: nodes cannot check tokens.", "Write text, or bytes in UTF-8.", "error")
        return
    derived.put("auth.secret_key", key, "SECRET_KEY", name="DJANGO_SECRET_KEY", secret=True)
    fallbacks = getattr(settings, "SECRET_KEY_FALLBACKS", None) or ()
    older = [text_of(plain(one)) for one in fallbacks] if isinstance(fallbacks, list | tuple) else [None]
    known = [one for one in older if one]
    if len(known) != len(older):
        derived.problem("SECRET_KEY_FALLBACKS has a key that is not text: nodes do not accept it.", level="note")
    if known:
        derived.put("auth.secret_key_fallbacks", known, "SECRET_KEY_FALLBACKS", secret=True)


def _has_simplejwt() -> bool:
    """Whether the project uses simplejwt: it has the setting, the app, or the authentication class."""
    if getattr(settings, "SIMPLE_JWT", None):
        return True
    if any(one.name.startswith("rest_framework_simplejwt") for one in apps.get_app_configs()):
        return True
    given = getattr(settings, "REST_FRAMEWORK", None)
    classes = given.get("DEFAULT_AUTHENTICATION_CLASSES") if isinstance(given, Mapping) else None
    return isinstance(classes, list | tuple) and any("simplejwt" in str(one) for one in classes)


class _SimpleJwt:
    """Reads `SIMPLE_JWT`."""

    def __init__(self, derived: Derived, given: Mapping[Any, Any]) -> None:
        self.derived = derived
        self.given: Mapping[Any, Any] = {**DEFAULTS, **given}

    def get(self, name: str) -> Any:
        return plain(self.given.get(name))

    def text(self, name: str) -> str:
        """A value that has to be text; the default, with a problem, for another."""
        given = self.get(name)
        found = "" if given is None else text_of(given)
        if found is None:
            self.derived.problem(
                f'SIMPLE_JWT["{name}"] is {type(given).__name__}, which has no form for a node.', "Write text.", "error"
            )
            return str(DEFAULTS.get(name, ""))
        return found

    def texts(self, name: str) -> list[str]:
        """The same of a value that may be several."""
        given = self.get(name) or ()
        several = given if isinstance(given, list | tuple | set | frozenset) else [given]
        found = [text_of(plain(one)) for one in several]
        if None in found:
            self.derived.problem(
                f'SIMPLE_JWT["{name}"] is not a text or a list of texts.', "Write text, or leave it out.", "error"
            )
        return [one for one in found if one is not None]

    def put(self, key: str, value: Any, name: str, secret: bool = False) -> None:
        """Adds a rule that differs from the node's default."""
        if SAME.get(key) != value:
            beside = KEYS if key in KEYS else ()
            self.derived.put(key, value, f'SIMPLE_JWT["{name}"]', secret=secret, beside=beside)

    def add(self) -> None:
        self.keys()
        self.put("auth.jwt.user_id_claims", [self.text("USER_ID_CLAIM")], "USER_ID_CLAIM")
        self.put("auth.jwt.token_type_claim", self.text("TOKEN_TYPE_CLAIM"), "TOKEN_TYPE_CLAIM")
        self.put("auth.jwt.jti_claim", self.text("JTI_CLAIM"), "JTI_CLAIM")
        self.types()
        self.leeway()
        for name, key in (("AUDIENCE", "auth.jwt.audience"), ("ISSUER", "auth.jwt.issuer")):
            if values := self.texts(name):
                self.put(key, values, name)
        self.sources()
        self.unknown_to_nodes()

    def keys(self) -> None:
        algorithm = self.text("ALGORITHM")
        self.put("auth.jwt.algorithm", algorithm, "ALGORITHM")
        if algorithm.startswith("HS"):
            self.key("auth.jwt.signing_key", "SIGNING_KEY")
        elif self.get("JWK_URL"):
            self.put("auth.jwt.jwk_url", self.text("JWK_URL"), "JWK_URL")
        elif self.get("VERIFYING_KEY"):
            self.key("auth.jwt.verifying_key", "VERIFYING_KEY")
        else:
            self.derived.problem(
                f'SIMPLE_JWT["VERIFYING_KEY"] is not set: nodes cannot check tokens with {algorithm}.',
                "simplejwt needs the public key, too.",
            )

    def key(self, key: str, name: str) -> None:
        given = self.get(name)
        if not given:
            return
        text = text_of(given)
        if text is None:
            self.derived.problem(
                f'SIMPLE_JWT["{name}"] is {type(given).__name__}, which has no form for a node.',
                "Write the key as text (PEM).",
                "error",
            )
        elif not (name == "SIGNING_KEY" and text == text_of(plain(settings.SECRET_KEY))):
            self.put(key, text, name, secret=True)

    def types(self) -> None:
        found: list[str] = []
        classes = self.get("AUTH_TOKEN_CLASSES") or ()
        if not isinstance(classes, list | tuple | set | frozenset):
            self.derived.problem(
                f'SIMPLE_JWT["AUTH_TOKEN_CLASSES"] is {type(classes).__name__}, not a list.',
                'Write ("rest_framework_simplejwt.tokens.AccessToken",), or leave it out.',
                "error",
            )
            classes = ()
        for one in classes:
            try:
                kind = import_string(one) if isinstance(one, str) else one
                name = str(kind.token_type)
            except Exception as error:
                self.derived.problem(
                    f'SIMPLE_JWT["AUTH_TOKEN_CLASSES"] has {one}, which cannot be used: {error}.',
                    "Nodes do not accept its tokens.",
                )
                continue
            if name == "untyped":
                self.derived.problem(
                    'SIMPLE_JWT["AUTH_TOKEN_CLASSES"] has UntypedToken, which accepts refresh tokens as well: nodes do '
                    "not accept its tokens.",
                    "Name AccessToken instead.",
                )
                continue
            # Only the database knows which tokens are on the list.
            if apps.is_installed("rest_framework_simplejwt.token_blacklist") and _is_listed(kind):
                self.derived.problem(
                    f'Tokens of the type "{name}" may be on the blacklist, which nodes do not know: they refuse them.',
                    LET_DJANGO_SAY,
                )
                continue
            found.append(name)
        # Without any, the node's default would accept a type that the project does not.
        self.put("auth.jwt.token_type", found or [NONE], "AUTH_TOKEN_CLASSES")

    def leeway(self) -> None:
        given = self.get("LEEWAY")
        if not given:
            return
        seconds = given.total_seconds() if isinstance(given, datetime.timedelta) else given
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            self.derived.problem(
                f'SIMPLE_JWT["LEEWAY"] is {given!r}, which is not a time.', "Write seconds, or a timedelta.", "error"
            )
            return
        self.put("auth.jwt.leeway", int(seconds) if seconds == int(seconds) else seconds, "LEEWAY")

    def sources(self) -> None:
        """Headers other than `Authorization: Bearer`."""
        header = self.text("AUTH_HEADER_NAME") or "HTTP_AUTHORIZATION"
        types = self.texts("AUTH_HEADER_TYPES") or ["Bearer"]
        if header == "HTTP_AUTHORIZATION":
            if types == ["Bearer"]:
                return
            sources = ["header" if one == "Bearer" else f"header:{one}" for one in types]
        else:
            sources = [f"header:{header}:{one}" for one in types]
        self.put("auth.jwt.sources", ["query:token", *sources], "AUTH_HEADER_TYPES")

    def unknown_to_nodes(self) -> None:
        """What simplejwt asks the database."""
        if self.given.get("CHECK_REVOKE_TOKEN"):
            self.derived.problem(
                'SIMPLE_JWT["CHECK_REVOKE_TOKEN"] is set: a node cannot see that a password was changed, and accepts a '
                "token until it ends.",
                f"{LET_DJANGO_SAY} Or call channelgate.disconnect(user=…) when a password changes.",
            )
        field = str(self.get("USER_ID_FIELD"))
        if field not in ("id", "pk"):
            self.derived.problem(
                f'SIMPLE_JWT["USER_ID_FIELD"] is "{field}": user.id of a node with auth = ["jwt"] is this field, not '
                "the primary key.",
                "Groups such as user_{{ user.id }} must be named by it in Django, too.",
                "note",
            )


def _is_listed(kind: Any) -> bool:
    """Whether the class looks its tokens up in the blacklist."""
    return any(one.__name__ == "BlacklistMixin" for one in getattr(kind, "__mro__", ()))


def _ws_token(derived: Derived) -> None:
    given = plain(of_channelgate("WS_TOKEN"))
    if not isinstance(given, Mapping):
        return
    where = 'CHANNELGATE["WS_TOKEN"]'
    if "LIFETIME" in given:
        derived.put("auth.ws_token.lifetime", given["LIFETIME"], f'{where}["LIFETIME"]')
    if "FORM" in given:
        derived.put("auth.ws_token.form", str(given["FORM"]), f'{where}["FORM"]')
    if "SINGLE_USE" in given:
        derived.put("auth.ws_token.single_use", bool(given["SINGLE_USE"]), f'{where}["SINGLE_USE"]')
