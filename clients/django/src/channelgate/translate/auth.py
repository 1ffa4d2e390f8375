"""Middleware: who a client is, and which pages may connect."""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from channelgate.conf import conf
from channelgate.translate.source import place_of, shown

#: Classes of REST framework that find a user by what a session's handshake does not have: a header.
_BY_HEADER = frozenset(
    {
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
        "knox.auth.TokenAuthentication",
    }
)
_SESSION = ("channels.sessions.CookieMiddleware", "channels.sessions.SessionMiddleware", "channels.auth.AuthMiddleware")
_ORIGINS = "channels.security.websocket.OriginValidator"


@dataclasses.dataclass(slots=True)
class Login:
    """What the middleware of a route does."""

    #: "absent": there is no user in the scope. "session": Django's login. "unknown": Python has to run it.
    kind: str = "absent"
    #: The origins that may connect; None if nobody asks.
    origins: list[str] | None = None
    reason: str = ""
    #: Why no frame may go past the middleware; empty if it hands on `receive` and `send` as they are.
    between: str = ""


def of_chain(chain: Sequence[Any]) -> Login:
    """The login of these middlewares."""
    login = Login()
    for one in chain:
        name = f"{type(one).__module__}.{type(one).__qualname__}"
        if name in _SESSION:
            if name == _SESSION[-1]:
                login.kind = "session" if login.kind != "unknown" else login.kind
        elif name == _ORIGINS:
            origins = [str(origin) for origin in one.allowed_origins]
            login.origins = origins if login.origins is None else [item for item in origins if item in login.origins]
        else:
            login.kind = "unknown"
            login.reason = (
                login.reason or f"{_place(one)}: {_class(one)} runs in Python, where it decides who a client is"
            )
            if not login.between and not _hands_on(one):
                login.between = f"{_place(one)}: {_class(one)} stands between the consumer and its messages"
    if login.kind == "session" and (reason := _others()):
        login.kind, login.reason = "unknown", reason
    return login


def _hands_on(one: Any) -> bool:
    """Whether a middleware gives what it wraps its own `receive` and `send`, and uses them for nothing else."""
    function = (
        one
        if inspect.isfunction(one)
        else vars(type(one)).get("__call__") or inspect.getattr_static(type(one), "__call__", None)
    )
    module = getattr(function, "__module__", "") or ""
    if module.partition(".")[0] in ("channels", "asgiref"):
        return True
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return False
    outer = tree.body[0]
    if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    names = [argument.arg for argument in (*outer.args.posonlyargs, *outer.args.args)]
    names = names if inspect.isfunction(one) else names[1:]
    if len(names) != 3 or outer.args.vararg:
        return False
    plain = {id(node) for call in ast.walk(outer) if isinstance(call, ast.Call) for node in _handed(call, names[1:])}
    for node in ast.walk(outer):
        if isinstance(node, ast.Name) and node.id in names[1:] and id(node) not in plain:
            return False
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and node is not outer:
            return False
    return bool(plain)


def _handed(call: ast.Call, names: Sequence[str]) -> list[ast.expr]:
    """`receive` and `send` as the second and third argument of what it wraps, or `send` that refuses a client."""
    match call:
        case ast.Call(func=ast.Name(id=name) as func, args=[ast.Dict(keys=keys, values=values)]) if name == names[1]:
            types = [
                one
                for key, one in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant) and key.value == "type"
            ]
            return [func] if [getattr(one, "value", "") for one in types] == ["websocket.close"] else []
    given = call.args[1:] if len(call.args) == 3 else []
    return given if [one.id for one in given if isinstance(one, ast.Name)] == list(names) else []


def _class(one: Any) -> str:
    return getattr(one, "__qualname__", None) or type(one).__qualname__


def _place(one: Any) -> str:
    if not inspect.isfunction(one):
        return place_of(type(one)) or type(one).__module__
    try:
        return f"{shown(Path(inspect.getsourcefile(one) or '?'))}:{inspect.getsourcelines(one)[1]}"
    except (OSError, TypeError):
        return type(one).__module__


def _others() -> str:
    """Why `auth = ["django"]` may admit more than a session; empty if it does not."""
    names = conf().authenticators
    if names is not None:
        others = [name for name in names if name != "session" and name not in _BY_HEADER]
        where = 'CHANNELGATE["AUTHENTICATORS"]'
    else:
        written = getattr(settings, "REST_FRAMEWORK", None)
        found = written.get("DEFAULT_AUTHENTICATION_CLASSES") or () if isinstance(written, Mapping) else ()
        others = [str(name) for name in found if not isinstance(name, str) or name not in _BY_HEADER]
        where = 'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]'
    if not others:
        return ""
    return (
        f"{where} has {others[0]}, which may admit clients that the session does not; "
        'with CHANNELGATE["AUTHENTICATORS"] = ["session"] the login becomes auth = ["django"]'
    )
