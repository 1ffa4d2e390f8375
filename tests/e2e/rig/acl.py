"""The rights that a node needs in Redis, read from the manual, and a Redis user with no others."""

import re

import redis
import stack

PAGE = stack.ROOT / "docs" / "operations" / "redis-acl.md"
USER, PASSWORD = "node", "the-password-of-the-node"
#: Rows that a node does not need for anything that the tests check.
OPTIONAL = ("a dead connection's end",)


def rows() -> dict[str, list[str]]:
    """The table of the manual: features to rights."""
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[2].startswith("`"):
            found[cells[0]] = cells[2].strip("`").replace("\\|", "|").split()
    assert len(found) > 8, found
    return found


def rights(*features: str, prefix: str = "asgi") -> list[str]:
    """The rights of these rows, or of all of them; `asgi` is the configured prefix."""
    table = rows()
    chosen = [right for name in features or table if features or name not in OPTIONAL for right in table[name]]
    return [re.sub(r"(?<=^[~&])asgi", prefix, right) for right in dict.fromkeys(chosen)]


def rule(*features: str, prefix: str = "asgi") -> list[str]:
    """The arguments of an `ACL SETUSER`."""
    return ["on", f">{PASSWORD}", "resetkeys", "resetchannels", "-@all", *rights(*features, prefix=prefix)]


def set_user(port: int, *features: str, prefix: str = "asgi") -> str:
    """Creates the user; returns the URL with which a node connects as this user."""
    with redis.Redis(port=port) as connection:
        connection.execute_command("ACL", "SETUSER", USER, *rule(*features, prefix=prefix))
        connection.execute_command("ACL", "LOG", "RESET")
    return f"redis://{USER}:{PASSWORD}@{stack.LOOPBACK}:{port}/0"


def denied(port: int) -> list[tuple[str, str, str]]:
    """The commands that Redis has refused the node so far: reason, object and command."""
    with redis.Redis(port=port, decode_responses=True) as connection:
        log = connection.acl_log()
    said = [(one["reason"], one["object"], one["client-info"].get("cmd", "")) for one in log if one["username"] == USER]
    # The last row of the manual is not among the user's rights, but its command is tried anyway; and a node tries the
    # narrowest pattern of its connections' channels before the one that it has a right to.
    narrow = re.compile(r"specific\.[0-9a-f]{32}r!c\.\*")
    tried = ("client|list", "client|kill")
    return [one for one in said if not one[1].lower().startswith(tried) and not narrow.fullmatch(one[1])]
