"""The group of a value that identities or clients choose: docs/CONFIGURATION.md has the line for Django."""

import re


def part(value) -> str:
    """A value as it stands in a group's name; two values never give one text."""
    return re.sub(
        r"[^A-Za-z0-9_.-]|-(?=x[0-9a-f]{2})",
        lambda found: "".join(f"-x{byte:02x}" for byte in found[0].encode()),
        str(value),
    )
