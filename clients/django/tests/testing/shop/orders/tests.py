"""Tests with Django alone, as `manage.py test` runs them; pytest runs them, too."""

import asyncio

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase, TransactionTestCase

from channelgate import Refused
from channelgate.testing import WithGate, call_action, captured
from orders.models import Order, Visit


class Published(TestCase):
    def setUp(self):
        self.anna = User.objects.create(username="anna")
        self.order = Order.objects.create(owner=self.anna)
        self.client.force_login(self.anna)

    def test_a_view_publishes_after_its_transaction(self):
        with captured() as sent:
            self.client.get(f"/orders/{self.order.pk}/pay/")
            sent.assert_published(f"order_{self.order.pk}", type="order.status", status="paid")
        self.assertEqual(len(sent), 2)

    def test_a_view_that_fails_publishes_nothing(self):
        with captured() as sent, self.assertRaises(ValueError):
            self.client.get(f"/orders/{self.order.pk}/pay/?fail=1")
        self.assertEqual(len(sent), 0)

    def test_an_action(self):
        answer = call_action("cancel", {"order": self.order.pk}, user=self.anna)
        self.assertEqual(answer, {"order": self.order.pk, "status": "cancelled"})
        with self.assertRaises(Refused) as refused:
            call_action("cancel", {"order": 0}, user=self.anna)
        self.assertEqual(refused.exception.status, 409)


class Sockets(WithGate):
    def setUp(self):
        self.anna = User.objects.create(username="anna")
        self.order = Order.objects.create(owner=self.anna)

    def test_the_owner_hears_of_the_payment(self):
        ws = self.gate.connect(f"/ws/orders/{self.order.pk}/", user=self.anna)
        mine = self.gate.connect("/ws/mine/", user=self.anna)
        self.assertEqual((ws.connect()[0], mine.connect()[0]), (True, True))
        self.client.force_login(self.anna)
        self.client.get(f"/orders/{self.order.pk}/pay/")
        self.assertEqual(ws.receive_json_from(), {"order": self.order.pk, "status": "paid"})
        self.assertEqual(mine.receive_json_from(), {"status": "paid"})
        ws.disconnect(4000)
        self.assertEqual(list(Visit.objects.values_list("order", "code")), [(self.order.pk, 4000)])

    def test_nobody_else_is_admitted(self):
        ben = User.objects.create(username="ben")
        for user in (ben, None):
            self.assertEqual(self.gate.connect(f"/ws/orders/{self.order.pk}/", user=user).connect(), (False, 403))
        # As under Daphne, a consumer that refuses is told of the end; it has run by now.
        self.assertEqual(list(Visit.objects.values_list("code", flat=True)), [1006, 1006])

    async def test_in_an_async_method(self):
        ws = self.gate.connect(f"/ws/orders/{self.order.pk}/", user=self.anna)
        self.assertTrue((await ws.connect())[0])
        await ws.send_json_to({"note": "hurry"})
        self.assertEqual(await ws.receive_json_from(), {"note": "hurry"})
        await asyncio.gather(self.order.arefresh_from_db())
        self.assertEqual(self.order.note, "hurry")


class SocketsInATransaction(Sockets, TestCase):
    pass


class SocketsWithCommits(Sockets, TransactionTestCase):
    def test_a_consumer_writes_while_the_test_reads(self):
        """An SQLite in memory is locked for another connection then."""
        Order.objects.create(owner=self.anna)
        ws = self.gate.connect(f"/ws/orders/{self.order.pk}/", user=self.anna)
        self.assertTrue(ws.connect()[0])
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM orders_order")
            cursor.fetchone()
            ws.send_json_to({"note": "x"})
            self.assertEqual(ws.receive_json_from(), {"note": "x"})
