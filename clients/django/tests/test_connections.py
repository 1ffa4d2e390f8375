"""A call closes old database connections, as Channels does before a handler; one that is not old costs no thread."""

import time

import pytest
from asgiref.sync import sync_to_async
from channels import db
from django.db import connection
from harness import node
from harness.signed import post
from project.asgi import application

from channelgate.bridge import hooks

aclose_old_connections = getattr(db, "aclose_old_connections", None)
if aclose_old_connections is None:
    pytest.skip("Channels closes connections before a handler from 4.2 on", allow_module_level=True)

URL = "/channelgate/channels"
CALL = {
    "v": 1,
    "connection": "k2Jx",
    "seq": 0,
    "channel_name": "specific.n!c.k2Jx",
    "consumer": "c",
    "scope": node.handshake_of("/binary/"),
    "state": None,
    "event": {"type": "websocket.connect"},
}


def lasts():
    pass


def has_been_open_for_too_long():
    connection.close_at = time.monotonic()


def had_an_error():
    connection.errors_occurred = True


def was_left_without_autocommit():
    connection.autocommit = False


@pytest.mark.parametrize("how", [lasts, has_been_open_for_too_long, had_an_error, was_left_without_autocommit])
async def test_a_call_does_to_a_connection_what_channels_does(how, layer, monkeypatch):
    def open_one():
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
        monkeypatch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", True)
        monkeypatch.setattr(connection, "is_usable", lambda: False)
        connection.ensure_connection()
        connection.health_check_done = True
        how()

    def look():
        is_open, checked = connection.connection is not None, connection.health_check_done
        connection.autocommit = True
        monkeypatch.undo()
        connection.close()
        return is_open, checked

    hops = []

    async def counted():
        hops.append(1)
        await aclose_old_connections()

    # Threads of earlier tests may still have connections that are old.
    monkeypatch.setattr(hooks, "_connections", [])
    first = (await post(application, URL, CALL)).lines[-1]
    monkeypatch.setattr("channels.consumer.aclose_old_connections", hooks._saving(counted))
    await sync_to_async(open_one)()
    event = {"type": "websocket.receive", "bytes": "AAE="}
    call = {**CALL, "seq": 1, "state": first["state"], "scope": None, "event": event}
    second = (await post(application, URL, call)).lines[-1]
    is_open, checked = await sync_to_async(look)()
    assert second["end"] == "open"
    assert (is_open, checked) == (how is lasts, False)
    assert len(hops) == (how is not lasts)
