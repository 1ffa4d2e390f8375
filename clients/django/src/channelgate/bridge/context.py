"""The call that runs in this context. Outside of a call everything of Channels behaves as without this package."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from channelgate.bridge.call import Call

CALL: contextvars.ContextVar[Call | None] = contextvars.ContextVar("channelgate_call", default=None)
