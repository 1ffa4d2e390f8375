"""The project behind a real node: clients with the methods of Channels, users, the database, and what is published."""

import asyncio
import json
import os
import time

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client, TestCase
from harness import cases
from project.models import Message

from channelgate import disconnect, join, leave
from channelgate.testing import Gate, NodeFailed, WebsocketCommunicator


def send(group, **event):
    async_to_sync(get_channel_layer().group_send)(group, {"type": "order.status", **event})


def test_a_consumer_of_django_in_a_sync_test(gate):
    ws = gate.connect("/json/")
    assert ws.connect() == (True, None)
    ws.send_json_to({"x": [1]})
    assert ws.receive_json_from() == {"echo": {"x": [1]}}
    ws.send_to(text_data='"again"')
    assert json.loads(ws.receive_from()) == {"echo": "again"}
    assert ws.receive_nothing()
    ws.disconnect()


async def test_the_same_in_an_async_test(gate):
    ws = gate.connect("/json/")
    connected, subprotocol = await ws.connect()
    assert connected and subprotocol is None
    await ws.send_json_to({"x": [1]})
    assert not await ws.receive_nothing()
    assert await ws.receive_json_from() == {"echo": {"x": [1]}}
    with pytest.raises(asyncio.TimeoutError):
        await ws.receive_from(timeout=0.05)
    await ws.disconnect()


async def test_a_test_of_channels_moves_by_its_import(gate, anna):
    from project.asgi import application

    communicator = WebsocketCommunicator(application, "/database/async/")
    communicator.scope["user"] = anna[0]
    connected, _ = await communicator.connect()
    assert connected
    assert await communicator.receive_json_from() == []
    await communicator.send_json_to({"text": "hi"})
    assert (await communicator.receive_json_from())["text"] == "hi"
    assert await Message.objects.filter(room="async", author="anna").aexists()
    await communicator.disconnect()
    await Message.objects.filter(room="async").adelete()


def test_a_refused_handshake(gate):
    ws = gate.connect("/database/one/")
    assert ws.connect() == (False, 403)
    assert ws.refusal.startswith("403")
    with pytest.raises(RuntimeError, match="not connected: the handshake was refused with 403"):
        ws.send_to("x")
    ws.disconnect()
    assert gate.connect("/nowhere/").connect() == (False, 404)
    assert gate.connect("/json/", headers=[(b"origin", b"http://evil.example")]).connect() == (False, 403)


class InATransaction(TestCase):
    """What the test has written is in its transaction only."""

    def run_with(self, gate):
        ben = User.objects.create(username="ben", first_name="Ben")
        Message.objects.create(room="one", author="x", text="first")
        ws = gate.connect("/database/one/", user=ben)
        assert ws.connect() == (True, None)
        assert ws.receive_json_from() == ["first"]
        ws.send_json_to({"text": "second"})
        assert ws.receive_json_from()["again"] == "second"
        assert Message.objects.filter(room="one").count() == 2

        # `disconnect()` of the consumer has run when the client's returns, and the group has heard of it.
        first, second = gate.connect("/sync/a/", user=ben), gate.connect("/sync/a/", user=ben)
        for one in (first, second):
            assert one.connect()[0]
            assert one.receive_from() == "hello ben"
        first.send_to("hey")
        assert first.receive_from() == "1 1 Ben"
        assert second.receive_json_from()["t"] == "hey"
        first.disconnect(4000)
        assert second.receive_json_from()["t"] == "gone 4000 1"
        second.send_to("bye")
        assert second.receive_from() == "1 1 Ben"
        assert second.receive_output() == {"type": "websocket.close", "code": 4001, "reason": "bye"}

    async def run_async_with(self, gate):
        ben = await User.objects.acreate(username="ben")
        ws = gate.connect("/database/one/", user=ben)
        assert (await ws.connect())[0]
        assert await ws.receive_json_from() == []
        await ws.send_json_to({"text": "x"})
        assert (await ws.receive_json_from())["count"] == 1
        assert await Message.objects.filter(room="one").acount() == 1
        await ws.disconnect()


def run(test, gate):
    def method(self):
        test(self, gate)

    async def amethod(self):
        await test(self, gate)

    cases.run(InATransaction, amethod if asyncio.iscoroutinefunction(test) else method)


def test_a_test_case_shares_its_transaction(gate):
    run(InATransaction.run_with, gate)
    assert not Message.objects.filter(room="one").exists() and not User.objects.filter(username="ben").exists()


def test_an_async_test_case_does_too(gate):
    run(InATransaction.run_async_with, gate)
    assert not Message.objects.filter(room="one").exists()


def test_what_the_project_publishes_reaches_its_clients(gate, anna):
    ws = gate.connect("/ws/me/", user=anna[0])
    assert ws.connect()[0]
    send(f"user_{anna[0].pk}", status="paid")
    assert ws.receive_json_from() == {"status": "paid", "by": "anna"}
    send("user_0", status="other")
    with transaction.atomic():
        transaction.on_commit(lambda: send(f"user_{anna[0].pk}", status="sent"))
        assert ws.receive_nothing()
    assert ws.receive_json_from()["status"] == "sent"
    with pytest.raises(RuntimeError), transaction.atomic():
        transaction.on_commit(lambda: send(f"user_{anna[0].pk}", status="never"))
        raise RuntimeError
    assert ws.receive_nothing()


def test_commits_of_a_test_case_reach_them_too(gate, anna):
    def test(self, gate):
        ws = gate.connect("/ws/me/", user=anna[0])
        assert ws.connect()[0]
        with transaction.atomic():
            transaction.on_commit(lambda: send(f"user_{anna[0].pk}", status="sent"))
        assert ws.receive_json_from()["status"] == "sent"

    run(test, gate)


def test_orders_of_the_project_reach_the_node(gate, anna):
    board = gate.connect("/ws/orders/7/", user=anna[0])
    assert board.connect()[0]
    done = leave(anna[0], "order_7")
    assert (done.connections, done.changed, done.nodes) == (1, 1, 1)
    gate.publish("order_7", {"type": "order.status", "status": "after leave()"})
    assert board.receive_nothing()
    assert join(anna[0], "order_7").changed == 1
    gate.publish("order_7", {"type": "order.status", "status": "after join()"})
    assert board.receive_json_from()["status"] == "after join()"
    disconnect(anna[0], reason="locked")
    assert board.receive_output() == {"type": "websocket.close", "code": 4403, "reason": "locked"}


def test_a_logout_ends_the_connections_of_its_session(gate, anna):
    client = Client()
    client.force_login(anna[0])
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    mine, other = gate.connect("/ws/me/", headers=[(b"cookie", cookie.encode())]), gate.connect("/ws/me/", user=anna[0])
    assert mine.connect()[0] and other.connect()[0]
    client.logout()
    assert mine.receive_output() == {"type": "websocket.close", "code": 4403, "reason": "logged out"}
    assert gate.connect("/ws/me/", headers=[(b"cookie", cookie.encode())]).connect() == (False, 403)
    assert other.receive_nothing()


def test_who_a_client_is_is_asked_for_each_connection(gate):
    def test(self, gate):
        ben = User.objects.create(username="ben")
        client = Client()
        client.force_login(ben)
        headers = [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]
        assert gate.connect("/ws/me/", headers=headers).connect()[0]
        ben.set_password("another")
        ben.save()
        assert gate.connect("/ws/me/", headers=headers).connect() == (False, 403)

    run(test, gate)


def test_captured_events_do_not_reach_them(gate, published, anna):
    ws = gate.connect("/ws/me/", user=anna[0])
    assert ws.connect()[0]
    send(f"user_{anna[0].pk}", status="paid")
    published.assert_published(f"user_{anna[0].pk}", status="paid")
    assert ws.receive_nothing()
    gate.publish(f"user_{anna[0].pk}", {"type": "order.status", "status": "direct"})
    assert ws.receive_json_from()["status"] == "direct"


def test_a_user_shows_what_the_consumer_wants(gate, anna):
    assert gate.connect("/ws/me/").connect() == (False, 403)
    for path in ("/ws/orders/7/", "/ws/order/7/"):
        ws = gate.connect(path, user=anna[0])
        assert ws.connect()[0]
        ws.send_json_to({"type": "ping"})
        assert str(ws.receive_json_from()["user"]) == str(anna[0].pk)
        gate.publish("order_7", {"type": "order.status", "status": "paid"})
        assert ws.receive_json_from() == {"order": 7, "status": "paid"}
        ws.disconnect()
    ws = gate.connect("/ws/ticket/", user=anna[0])
    assert ws.connect()[0]
    assert str(ws.receive_json_from()["id"]) == str(anna[0].pk)
    assert gate.connect("/ws/orders/7/", token="nonsense").connect() == (False, 403)


def test_nothing_means_nothing_that_was_sent_before(gate, anna):
    ws = gate.connect("/ws/orders/7/", user=anna[0])
    assert ws.connect()[0]
    ws.send_json_to({"type": "ping"})
    assert not ws.receive_nothing(timeout=0)
    assert ws.receive_json_from()["type"] == "pong"
    assert ws.receive_nothing(timeout=0)


def test_a_consumer_that_fails_closes_and_is_not_waited_for(gate):
    ws = gate.connect("/fails-accepted/")
    assert ws.connect()[0]
    with pytest.raises(AssertionError, match=r"closed with 1011.*the consumer failed, see the log"):
        ws.receive_from()
    began = time.monotonic()
    ws.disconnect()
    assert time.monotonic() - began < 2


def test_a_message_for_one_connection_says_why_it_cannot_arrive(gate):
    with pytest.raises(NotImplementedError, match="needs Redis"):
        async_to_sync(get_channel_layer().send)("specific.x!c.y", {"type": "x"})
    async_to_sync(get_channel_layer().send)("thumbnails", {"type": "x"})


def test_bytes_have_no_way_to_the_node(gate):
    with pytest.raises(TypeError, match="bytes"):
        send("order_7", status=b"paid")


def test_a_scope_that_no_handshake_has_is_refused(gate):
    ws = WebsocketCommunicator(None, "/json/")
    ws.scope["url_route"] = {"kwargs": {"room": "x"}}
    with pytest.raises(TypeError, match="url_route"):
        ws.connect()


def test_a_communicator_needs_a_gate():
    with pytest.raises(RuntimeError, match="fixture `gate`"):
        WebsocketCommunicator(None, "/json/").connect()


def test_a_file_that_is_missing_or_wrong_is_named(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    with pytest.raises(NodeFailed, match=r"channelgate\.toml does not exist.*channelgate init"):
        Gate().start()
    (tmp_path / "channelgate.toml").write_text("[[consumer]]\npath = 7\n")
    with pytest.raises(NodeFailed, match=r"channelgate\.toml:2"):
        Gate().start()


def test_the_node_ends_with_its_gate(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    settings.CHANNELGATE = {}
    (tmp_path / "channelgate.toml").write_text('[[consumer]]\npath = "/json/"\ndjango = true\n')
    with Gate() as gate:
        ws = gate.connect("/json/")
        assert ws.connect()[0]
        pid = gate.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="is closed"):
        ws.receive_output()


def test_a_file_without_django_is_served(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[consumer]]\npath = "/ws/"\ngroups = ["all"]\n[consumer.on_event.x]\nsend = "event"\n')
    with Gate(file) as gate:
        ws = gate.connect("/ws/")
        assert ws.connect()[0]
        send("all", type="x")
        assert ws.receive_json_from() == {"type": "x"}
