"""Commands to the nodes' Redis that end within a deadline, whatever Redis does."""

import time
from collections.abc import Sequence
from typing import Any

from channelgate import places

#: Of the time, what connecting may take at most, and each answer to what redis-py asks of a new connection.
SHARE = 1 / 3


def exchange(commands: Sequence[tuple[Any, ...]], deadline: float, timeout: float) -> list[Any]:
    """Sends the commands at once and returns their answers before the `deadline`, the end of `timeout` seconds.

    An answer that is an error is raised after the others have been read. Raises `TimeoutError` at the deadline.
    """
    pool = places.pool(socket_connect_timeout=timeout * SHARE, socket_timeout=timeout * SHARE)
    connection = _connection(pool)
    try:
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        answers = [_answer(connection, deadline) for _ in commands]
    except BaseException:
        # What was not read would be the answer to the next command.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _connection(pool: Any) -> Any:
    try:
        return pool.get_connection()
    except TypeError:
        # redis-py before 5.3 wants the name of the command.
        return pool.get_connection("PUBLISH")


def _answer(connection: Any, deadline: float) -> Any:
    import redis

    left = deadline - time.monotonic()
    if left <= 0 or not connection.can_read(left):
        raise redis.TimeoutError("Redis did not answer in time")
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error
