"""`manage.py channelgate doctor`: one question after another about the layer, the node, logins, nginx and the routes.

A check is a small function that yields results; `order.py` has the list, `run.py` gives each its time. No check leaves
anything in Redis, in the database or in the sessions, and none prints a secret.
"""

from channelgate.doctor.context import Context
from channelgate.doctor.result import FAIL, OK, WARN, Result
from channelgate.doctor.run import examine

__all__ = ["FAIL", "OK", "WARN", "Context", "Result", "examine"]
