"""System checks of the setting and of the actions: `manage.py check --tag channelgate`."""

import difflib
from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from channelgate.conf import DEFAULTS, RENAMED, conf, raw, secrets_of, wrong_values
from channelgate.registry import RESERVED, actions, twice

TAG = "channelgate"


def check_settings(**_: Any) -> list[CheckMessage]:
    """Unknown and wrong keys."""
    wrong = [Error(f"{error}.", hint=error.hint, id="channelgate.E005") for error in wrong_values()]
    try:
        given = raw()
    except ImproperlyConfigured:
        return wrong
    found: list[CheckMessage] = [*_unknown(given, DEFAULTS, "CHANNELGATE")]
    for key, default in DEFAULTS.items():
        inner = given.get(key)
        if isinstance(default, Mapping) and isinstance(inner, Mapping):
            found += _unknown(inner, default, f'CHANNELGATE["{key}"]')
    if wrong:
        return [*found, *wrong]
    found += _redis_url(conf().redis_url)
    found += _describe(conf().describe)
    found += _cache('["BRIDGE"]["REPLAY_CACHE"]', conf().replay_cache)
    if "CACHE" in (given.get("WS_TOKEN") or {}):
        found += _cache('["WS_TOKEN"]["CACHE"]', conf().ws_token.cache)
    found += _authenticators(conf().authenticators)
    return found


def _redis_url(given: Any) -> list[CheckMessage]:
    """An address that cannot be taken apart. What only a node cannot follow, `publish()` may be able to."""
    from channelgate.derive.hosts import problem_of_url

    name = 'CHANNELGATE["REDIS_URL"]'
    where, address = (f'{name}["address"]', given.get("address")) if isinstance(given, Mapping) else (name, given)
    problems = problem_of_url(address, where) if isinstance(address, str) else []
    return [Error(one.text, hint=one.hint, id="channelgate.E005") for one in problems]


def _unknown(given: Mapping[str, Any], known: Mapping[str, Any], where: str) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for key in given:
        if key in known:
            continue
        renamed = [RENAMED[key]] if RENAMED.get(key) in known else []
        close = renamed or difflib.get_close_matches(str(key).upper(), known, n=1, cutoff=0.5)
        guess = f' Did you mean "{close[0]}"?' if close else ""
        hint = f"The settings are {', '.join(known)}."
        found.append(Error(f'{where}["{key}"] is not a setting.{guess}', hint=hint, id="channelgate.E002"))
    return found


#: What `DESCRIBE` has to be.
_OF_USERS = f'Name a function of a user that returns a dictionary with "id"; the default is {DEFAULTS["DESCRIBE"]}.'


def _describe(path: str) -> list[CheckMessage]:
    try:
        function = import_string(path)
    except Exception as error:
        return [Error(f'CHANNELGATE["DESCRIBE"] cannot be imported: {error}', hint=_OF_USERS, id="channelgate.E004")]
    if not callable(function):
        return [Error(f'CHANNELGATE["DESCRIBE"] cannot be called: {path}', hint=_OF_USERS, id="channelgate.E004")]
    return []


def _authenticators(names: tuple[str, ...] | None) -> list[CheckMessage]:
    from channelgate.authenticators import make

    found: list[CheckMessage] = []
    for name in names or ():
        try:
            make(name)
        except Exception as error:
            found.append(
                Error(
                    f'CHANNELGATE["AUTHENTICATORS"] has "{name}", which cannot be used: {error}',
                    hint='Write "session", an authentication class of REST framework, or a function of a request.',
                    id="channelgate.E007",
                )
            )
    return found


def _cache(where: str, alias: str | None) -> list[CheckMessage]:
    from django.conf import settings

    if alias is None or alias in settings.CACHES:
        return []
    return [
        Error(
            f'CHANNELGATE{where} is "{alias}", which CACHES does not have.',
            hint=f"CACHES has {', '.join(settings.CACHES)}.",
            id="channelgate.E005",
        )
    ]


#: What to do instead of an action with a reserved name.
_HINTS = {
    "who_am_i": 'A project says who a client is by functions in CHANNELGATE["AUTHENTICATORS"], '
    'and what nodes know of a user by CHANNELGATE["DESCRIBE"].'
}


def check_actions(**_: Any) -> list[CheckMessage]:
    """Names that two actions have, or that the bridge has."""
    found: list[CheckMessage] = [
        Error(f'The action "{new.name}" is registered twice: {old.dotted} and {new.dotted}.', id="channelgate.E003")
        for old, new in twice
    ]
    for name in sorted(RESERVED & actions.keys()):
        found.append(
            Error(
                f'The action name "{name}" is reserved for the package: {actions[name].dotted}.',
                hint=_HINTS.get(name, "Give the action another name, here and in the node's configuration."),
                id="channelgate.E006",
            )
        )
    return found


def check_secret(**_: Any) -> list[CheckMessage]:
    """Without a secret nothing is answered."""
    try:
        if secrets_of(raw().get("SECRET")):
            return []
    except ImproperlyConfigured:
        return []
    return [
        Warning(
            'CHANNELGATE["SECRET"] is not set: /channelgate/ answers 404, and nodes get no answers from Django.',
            hint="Set it to the value of the node's backend.secret (CHANNELGATE_BACKEND_SECRET).",
            id="channelgate.W002",
        )
    ]


register(check_settings, TAG)
register(check_actions, TAG)
register(check_secret, TAG, deploy=True)
