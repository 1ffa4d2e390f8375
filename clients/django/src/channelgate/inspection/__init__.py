"""What `manage.py channelgate doctor --code` finds in the project's own source, without running it."""

from django.core.checks import CheckMessage, Warning

from channelgate.inspection import commits, names
from channelgate.inspection.sources import parsed, shown, source_files

__all__ = ["inspect"]


def inspect() -> list[CheckMessage]:
    """W008 and W009, by file and line."""
    modules = {path: tree for path in source_files() if (tree := parsed(path)) is not None}
    found: list[tuple[str, int, CheckMessage]] = []
    for early in commits.find(modules):
        place = f"{shown(early.path)}:{early.line}"
        text = (
            f"group_send in {place} is inside a transaction and not in on_commit: clients may receive events that are "
            "rolled back."
        )
        through = f"{early.through}() sends it. " if early.through else ""
        hint = f"{through}Use channelgate.publish(), which waits for the commit, or transaction.on_commit()."
        found.append((shown(early.path), early.line, Warning(text, hint=hint, id="channelgate.W008")))
    for wrong in names.find(modules):
        place = f"{shown(wrong.path)}:{wrong.line}"
        text = f'Group name "{wrong.name}" in {place} can hold characters that Channels refuses.'
        hint = "Names have letters, digits, hyphens, underscores and periods: use the primary key, or a hash."
        found.append((shown(wrong.path), wrong.line, Warning(text, hint=hint, id="channelgate.W009")))
    return [message for *_, message in sorted(found, key=lambda one: one[:2])]
