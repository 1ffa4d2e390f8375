"""Orders to the running activity, one JSON object a line, through a socket that its parent has made.

In: {"id", "do", …}. Out: {"id", "done": {…}}, or {"id", "failed": "why"}.
"""

import json
import logging
import socket
import threading

from channelgate import disconnect
from django.contrib.auth import get_user_model
from django.db import close_old_connections

from activity import tokens
from activity.burst import burst
from activity.pace import Pace

logger = logging.getLogger("activity")


class Orders(threading.Thread):
    """Reads orders until the other side closes, which ends the activity, too."""

    def __init__(self, connection: socket.socket, pace: Pace):
        super().__init__(daemon=True)
        self.connection, self.pace = connection, pace

    def run(self) -> None:
        try:
            with self.connection, self.connection.makefile("rb") as lines:
                self.connection.sendall(b'{"ready": true}\n')
                for line in lines:
                    self.connection.sendall(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
        except OSError as error:
            logger.warning("No orders any more: %s", error)
        finally:
            self.pace.end()

    def _answer(self, order: dict) -> dict:
        number, do = order.pop("id"), order.pop("do")
        try:
            return {"id": number, "done": getattr(self, f"do_{do}")(**order)}
        except Exception as error:
            logger.exception("An order failed")
            return {"id": number, "failed": str(error) or type(error).__name__}
        finally:
            close_old_connections()

    def do_pace(self, speed, paused):
        self.pace.set(speed, paused)

    def do_burst(self, number):
        return {"sent": burst(number)}

    def do_expire(self, person):
        tokens.expire(get_user_model().objects.get(username=person))

    def do_revoke(self, user):
        return {"nodes": disconnect(user=user, reason="revoked")}
