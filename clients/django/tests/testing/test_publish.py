"""`channelgate.publish` in the tests of a project: captured, and handed to the node."""

import pytest
from django.db import transaction
from django.test import TestCase
from harness.cases import run

from channelgate.testing import captured

pytest.importorskip("channelgate.publishing", reason="publish() is another part of the package")


from channelgate import apublish, publish, publish_many, to_user

PAID = {"type": "order.status", "status": "paid"}


def test_publish_is_captured_after_the_transaction(layer):
    def test(self):
        with captured() as sent:
            with transaction.atomic():
                publish("order_7", PAID)
                publish("order_8", PAID, on_commit=False)
                assert [group for group, _ in sent] == ["order_8"]
            publish_many([("order_9", PAID), ("order_10", PAID)])
            with pytest.raises(KeyError), transaction.atomic():
                publish("order_11", PAID)
                raise KeyError
        assert [group for group, _ in sent] == ["order_8", "order_7", "order_9", "order_10"]
        sent.assert_published("order_7", status="paid")
        with captured(commit=False) as sent:
            publish("order_7", PAID)
            assert not sent
            sent.commit()
        assert len(sent) == 1

    run(TestCase, test)
    assert layer.trace == []


async def test_apublish_is_captured(layer):
    with captured() as sent:
        await apublish("order_7", PAID)
        sent.assert_published("order_7", status="paid")


def test_publish_reaches_the_clients_of_the_node(gate, anna):
    ws = gate.connect("/ws/me/", user=anna[0])
    assert ws.connect()[0]
    to_user(anna[0], PAID)
    assert ws.receive_json_from()["status"] == "paid"
    with transaction.atomic():
        to_user(anna[0], {**PAID, "status": "sent"})
        assert ws.receive_nothing()
    assert ws.receive_json_from()["status"] == "sent"


async def test_apublish_reaches_them_too(gate, anna):
    ws = gate.connect("/ws/me/", user=anna[0])
    assert (await ws.connect())[0]
    await apublish(f"user_{anna[0].pk}", PAID)
    assert (await ws.receive_json_from())["status"] == "paid"
