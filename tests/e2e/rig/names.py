"""The group of a value chosen by identities or clients: docs/CONFIGURATION.md has the line for Django."""

import re


def part(value) -> str:
    """A value as written in a group's name; two different values never give the same text."""
    return re.sub(
        r"[^A-Za-z0-9_.-]|-(?=x[0-9a-f]{2})",
        lambda found: "".join(f"-x{byte:02x}" for byte in found[0].encode()),
        str(value),
    )
