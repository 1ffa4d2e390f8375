"""A consumer's state between two calls: what `vars(consumer)` and the scope hold beyond the handshake, signed.

    payload = capture(consumer, scope=…, baseline=Baseline(fresh), who="chat.consumers.Chat")
    blob = seal(payload, connection=…, seq=7, limit=65536)      # at the end of call 7
    restore(consumer, unseal(blob, connection=…, seq=8), scope=…)     # at the start of call 8

Nothing is unpickled. What cannot be kept is refused by name; nothing is lost in silence.
"""

from . import code, content, framework, models, objects, sessions, times, values
from .baseline import Baseline
from .capture import capture, restore, restore_needs_database
from .compare import Look, difference, look
from .sealing import GIVEN, HANDSHAKE, seal, unseal
from .surroundings import give
from .tree import FINDERS

FINDERS.extend([
    values.enums, times.zones, models.instances, models.querysets, models.managers, sessions.sessions,
    sessions.lazies, sessions.users, framework.layers, framework.promises, framework.loggers, framework.loops,
    framework.futures, framework.returned,
        framework.adapters, code.classes, content.contents, objects.objects, objects.anything,
])  # fmt: skip

__all__ = [
    "GIVEN", "HANDSHAKE", "Baseline", "Look", "capture", "difference", "give", "look", "restore",
    "restore_needs_database", "seal", "unseal",
]  # fmt: skip
