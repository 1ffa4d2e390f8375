"""Helpers for the tests of a project: what it publishes, its actions, and its clients on a real node.

from channelgate.testing import captured, call_action, Gate, WebsocketCommunicator

With pytest the fixtures `published` and `gate` are there by themselves.
"""

from channelgate.testing.actions import acall_action, call_action
from channelgate.testing.captured import Captured, captured
from channelgate.testing.cases import WithGate
from channelgate.testing.communicator import WebsocketCommunicator
from channelgate.testing.gate import Gate
from channelgate.testing.match import Published
from channelgate.testing.node import NodeFailed

__all__ = [
    "Captured",
    "Gate",
    "NodeFailed",
    "Published",
    "WebsocketCommunicator",
    "WithGate",
    "acall_action",
    "call_action",
    "captured",
]
