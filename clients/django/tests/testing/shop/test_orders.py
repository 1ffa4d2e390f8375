"""Tests with pytest-django and the package's fixtures."""

import pytest
from django.contrib.auth.models import User
from django.test import TestCase
from orders.asgi import application
from orders.models import Order
from orders.views import tell

from channelgate.testing import WebsocketCommunicator


@pytest.fixture
def order(db):
    return Order.objects.create(owner=User.objects.create(username="anna"))


def test_published(published, client, order):
    client.force_login(order.owner)
    client.get(f"/orders/{order.pk}/pay/")
    published.assert_published(f"order_{order.pk}", status="paid")


def test_without_a_database(published):
    tell("order_7", "paid")
    published.assert_published("order_7")


def test_in_the_transaction_of_the_test(gate, client, order):
    ws = gate.connect(f"/ws/orders/{order.pk}/", user=order.owner)
    assert ws.connect() == (True, None)
    client.force_login(order.owner)
    client.get(f"/orders/{order.pk}/pay/")
    assert ws.receive_json_from() == {"order": order.pk, "status": "paid"}
    ws.send_json_to({"note": "x"})
    assert ws.receive_json_from() == {"note": "x"}


@pytest.mark.django_db
def test_that_was_rolled_back_with_its_clients():
    assert not Order.objects.exists() and not User.objects.exists()


@pytest.mark.django_db(transaction=True)
async def test_of_channels(gate):
    owner = await User.objects.acreate(username="anna")
    order = await Order.objects.acreate(owner=owner)
    communicator = WebsocketCommunicator(application, f"/ws/orders/{order.pk}/")
    communicator.scope["user"] = owner
    connected, _ = await communicator.connect()
    assert connected
    await communicator.send_json_to({"note": "x"})
    assert await communicator.receive_json_from() == {"note": "x"}
    assert await communicator.receive_nothing()
    await communicator.disconnect()
    await order.arefresh_from_db()
    assert order.note == "left with 1000"


class WithAFixture(TestCase):
    @pytest.fixture(autouse=True)
    def _gate(self, gate):
        self.gate = gate

    def test_a_test_case(self):
        owner = User.objects.create(username="anna")
        order = Order.objects.create(owner=owner)
        ws = self.gate.connect(f"/ws/orders/{order.pk}/", user=owner)
        assert ws.connect()[0]
        ws.send_json_to({"note": "x"})
        assert ws.receive_json_from() == {"note": "x"}
