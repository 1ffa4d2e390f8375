"""nginx locations for the paths that have moved to the node: one for each, everything else stays where it is.

`manage.py channelgate nginx` prints them, and `init` writes them. They are for the `server` block of the site.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from channelgate.nodefile.paths import expression

#: What every location of the node has; nginx/channelgate-sockets.conf of the repository has the reasons.
_OF_THE_NODE = """\
    proxy_pass {upstream};
    proxy_http_version 1.1;
    proxy_set_header Upgrade           $http_upgrade;
    proxy_set_header Connection        "upgrade";
    proxy_set_header Host              $http_host;   # unchanged: the Origin is compared with it
    proxy_set_header X-Real-IP         $remote_addr;
    proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_connect_timeout 1s;
    proxy_read_timeout 1h;       # an open socket may be silent; the node pings and closes dead ones itself
    proxy_send_timeout 1h;
    proxy_buffering off;
    proxy_socket_keepalive on;
    access_log off;              # the usual format would log the tokens of queries
    error_log /dev/null crit;    # and so do its lines about an upstream"""

_OF_DAPHNE = """\
    proxy_pass {upstream};
    proxy_http_version 1.1;
    proxy_set_header Upgrade           $http_upgrade;
    proxy_set_header Connection        "upgrade";
    proxy_set_header Host              $http_host;
    proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_read_timeout 1h;
    proxy_buffering off;"""


def locations(
    paths: Iterable[str], node: str, daphne: str | None = None, stays: Mapping[str, str] | None = None
) -> str:
    """The locations: `paths` go to `node`, and those of `stays` to `daphne`, each with the reason why.

    `node` and `daphne` are URLs or addresses: `http://127.0.0.1:8001`, `127.0.0.1:8001`, `unix:/run/channelgate.sock`.
    """
    moved = list(dict.fromkeys(paths))
    stays = stays or {}
    lines = [
        "# Written by channelgate. Include this file in the server block of the site:",
        "#     include nginx-channelgate.conf;",
        "# A path without a location here goes where it went before. Without a location a path moves back.",
    ]
    for path in moved:
        lines += ["", f"# {path}", _location(path, _OF_THE_NODE, node)]
    for path, reason in stays.items():
        # An expression may have several lines, of which nginx would read all but the first.
        lines += ["", f"# {' '.join(path.split())} stays with Daphne: {' '.join(reason.split())}"]
        if daphne is not None:
            lines.append(_location(path, _OF_DAPHNE, daphne))
    if not moved and not stays:
        lines += ["", "# channelgate.toml has no consumer with a path."]
    return "\n".join(lines) + "\n"


def _location(path: str, body: str, upstream: str) -> str:
    if not path.startswith("/") or not path.isprintable() or set(path) & set("\"\\'`"):
        raise ValueError(f"{path!r} cannot be the path of a location: it begins with a slash, and has no quotes")
    # The quotes are for braces, of which the expression of a UUID has some.
    return f'location ~ "{expression(path)}" {{\n{body.format(upstream=upstream_of(upstream))}\n}}'


def upstream_of(address: str) -> str:
    """What `proxy_pass` wants for a URL or an address."""
    if address.startswith("unix:"):
        return f"http://{address}"
    if "://" not in address:
        return f"http://{address}"
    parts = urlsplit(address)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc}"
