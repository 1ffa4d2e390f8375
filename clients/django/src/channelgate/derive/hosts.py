"""A host of Redis in every form of channels_redis and redis-py, as a node reads it: a URL, or JSON of keywords."""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from channelgate.derive.values import Problem, json_text, plain, text_of

#: Keywords of redis-py that a node follows.
_FOLLOWED = """
    address host port path db username password client_name socket_connect_timeout ssl ssl_cert_reqs
    ssl_check_hostname ssl_ca_certs ssl_ca_path ssl_ca_data ssl_certfile ssl_keyfile ssl_min_version ssl_ciphers
    sentinels master_name sentinel_kwargs"""
FOLLOWED = frozenset(_FOLLOWED.split())
#: Keywords that concern only the client in Python; leaving them out changes nothing for a node.
_OF_THE_CLIENT = """
    max_connections timeout socket_timeout socket_read_size socket_type socket_keepalive socket_keepalive_options
    retry retry_on_timeout retry_on_error health_check_interval protocol encoding encoding_errors decode_responses
    parser_class lib_name lib_version driver_info redis_connect_func event_dispatcher single_connection_client
    auto_close_connection_pool check_connection is_master connection_class legacy_responses
    min_other_sentinels"""
OF_THE_CLIENT = frozenset(_OF_THE_CLIENT.split())
#: What a person does about keywords that change where or as whom a connection is made.
INSTEAD = {
    "credential_provider": "Write username and password.",
    "unix_socket_path": 'Write "path", or a URL that begins with unix://.',
    "ssl_password": "A node reads keys without a password: openssl pkey -in key.pem -out plain.pem",
    "force_master_ip": "Name the server itself instead of its Sentinels.",
    "ssl_validate_ocsp": "A node does not check revocation; remove it, or keep consumers of this project in Daphne.",
    "ssl_validate_ocsp_stapled": "A node does not check revocation; remove it, or keep consumers in Daphne.",
    "ssl_ca_file": "Write ssl_ca_certs.",
}
#: Parts of an address that are secret.
SECRETS = frozenset({"password", "sentinel_password"})


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """One host: a URL or keywords."""

    value: str | dict[str, Any]

    @property
    def secret(self) -> bool:
        """Whether it contains a password."""
        if isinstance(self.value, str):
            return _has_password(self.value)
        return _is_secret(self.value)

    @property
    def text(self) -> str:
        """As a node reads one address."""
        return self.value if isinstance(self.value, str) else json_text(self.value)

    @property
    def label(self) -> str:
        """The address without its passwords."""
        if isinstance(self.value, str):
            return _without_login(self.value)
        if "address" in self.value:
            return _without_login(str(self.value["address"]))
        if "master_name" in self.value:
            sentinels = ", ".join(f"{name}:{port}" for name, port in self.value.get("sentinels", ()))
            return f"{self.value['master_name']} of the Sentinels {sentinels}"
        if "path" in self.value:
            return f"unix://{self.value['path']}"
        scheme = "rediss" if self.value.get("ssl") else "redis"
        host = str(self.value.get("host", "localhost"))
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{self.value.get('port', 6379)}/{self.value.get('db', 0)}"


def _has_password(url: str) -> bool:
    # Behind a slash or a hash that should have been %2F or %23, the rest of a password is in another part.
    return "@" in url or any(name in SECRETS for name, _ in parse_qsl(url.partition("?")[2]))


def _is_secret(table: Mapping[str, Any]) -> bool:
    for name, value in table.items():
        if name in SECRETS or (isinstance(value, Mapping) and _is_secret(value)):
            return True
        if name == "address" and _has_password(str(value)):
            return True
    return False


def _without_login(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme if mark else 'redis'}://{(rest if mark else url).rpartition('@')[2].partition('?')[0]}"


def problem_of_url(url: str, where: str) -> list[Problem]:
    """An address that redis-py cannot take apart either."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        return [
            Problem(
                f"{where} is not a URL: its host or its port cannot be read.",
                'Write "redis://127.0.0.1:6379/0"; in a password :, /, ?, #, [, ] and @ are %3A, %2F, %3F, %23, %5B, '
                "%5D and %40.",
                "error",
            )
        ]
    return []


def read(entry: Any, where: str) -> tuple[Host | None, list[Problem]]:
    """A host as it is written in the settings; `where` names the place."""
    entry = plain(entry)
    url = text_of(entry)
    if url is not None:
        wrong = problem_of_url(url.strip(), where)
        return (None, wrong) if wrong else (Host(_for_nodes(url.strip())), [])
    if isinstance(entry, Mapping):
        return _table(entry, where)
    if isinstance(entry, list | tuple) and len(entry) >= 2:
        name, port = text_of(plain(entry[0])), plain(entry[1])
        if name is not None and _is_port(port):
            return Host({"host": name, "port": int(port)}), []
    return None, [
        Problem(
            f"{where} is not an address of Redis: {type(entry).__name__}.",
            'Write a URL such as "redis://127.0.0.1:6379/0", a pair ("127.0.0.1", 6379), or {"address": "…"}.',
            "error",
        )
    ]


def _for_nodes(url: str) -> str:
    """The URL without what concerns only redis-py; the rest stays as it is written."""
    start, mark, query = url.partition("?")
    kept = [one for one in query.split("&") if one.partition("=")[0] not in OF_THE_CLIENT]
    return start + mark + "&".join(kept) if any(kept) else start


def _is_port(value: Any) -> bool:
    try:
        return 0 < int(value) < 65536
    except (TypeError, ValueError):
        return False


def _table(entry: Mapping[Any, Any], where: str) -> tuple[Host | None, list[Problem]]:
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, written in entry.items():
        name = str(key)
        value = plain(written) if name not in OF_THE_CLIENT else written
        if name == "sentinel_kwargs" and isinstance(value, Mapping):
            inner, inside = _table(value, f'{where}["sentinel_kwargs"]')
            problems += inside
            if inner is not None and isinstance(inner.value, dict):
                found[name] = inner.value
            continue
        if name == "connection_class":
            problems += _of_class(written, found, where)
            continue
        if name in OF_THE_CLIENT:
            continue
        if name not in FOLLOWED:
            hint = INSTEAD.get(name, "A node does not know this keyword of redis-py.")
            problems.append(Problem(f'{where} has "{name}", which a node cannot follow.', hint, "error"))
            continue
        if value is None and name not in ("ssl_cert_reqs",):
            continue
        converted = _value(name, value)
        if converted is None and value is not None:
            problems.append(
                Problem(
                    f'{where}["{name}"] is {type(value).__name__}, which has no form for a node.',
                    "Write text, a number, True or False.",
                    "error",
                )
            )
            continue
        if name == "address":
            converted = _for_nodes(str(converted))
            problems += problem_of_url(converted, f'{where}["address"]')
        found[name] = converted
    if any(problem.level == "error" for problem in problems):
        return None, problems
    return Host(found), problems


def _of_class(kind: Any, found: dict[str, Any], where: str) -> list[Problem]:
    """The class of a connection says whether it has TLS or is a unix socket."""
    name = kind if isinstance(kind, str) else f"{getattr(kind, '__module__', '')}.{getattr(kind, '__name__', '')}"
    if name.startswith("redis."):
        match name.rpartition(".")[2]:
            case "Connection" | "UnixDomainSocketConnection" | "SentinelManagedConnection":
                return []
            case "SSLConnection" | "SentinelManagedSSLConnection":
                found["ssl"] = True
                return []
    return [
        Problem(
            f"{where} has the connection_class {name}, which a node cannot follow.",
            "Write ssl = True for TLS, path for a unix socket.",
            "error",
        )
    ]


def _value(name: str, value: Any) -> Any:
    """A keyword's value as JSON has it."""
    if name == "sentinels":
        pairs = [_pair(one) for one in value] if isinstance(value, list | tuple) else []
        return pairs if pairs and all(pairs) else None
    if isinstance(value, enum.Enum):
        # `ssl.CERT_NONE` and `ssl.TLSVersion.TLSv1_2`, by the words that redis-py takes, too.
        return {"CERT_NONE": "none", "CERT_OPTIONAL": "optional", "CERT_REQUIRED": "required"}.get(
            value.name, value.name
        )
    if isinstance(value, bool | int | float):
        if name == "ssl_cert_reqs" and not isinstance(value, bool):
            return {0: "none", 1: "optional", 2: "required"}.get(int(value))
        return value
    if isinstance(value, list | tuple) and name == "ssl_ca_data":
        return None
    return text_of(value)


def _pair(one: Any) -> list[Any] | None:
    one = plain(one)
    if isinstance(one, list | tuple) and len(one) >= 2 and _is_port(plain(one[1])):
        name = text_of(plain(one[0]))
        return [name, int(plain(one[1]))] if name is not None else None
    return None
