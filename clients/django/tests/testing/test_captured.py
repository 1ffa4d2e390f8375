"""`captured()`: what a project publishes, with and without a transaction, and what an assertion says."""

import datetime
import threading

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client, TestCase
from django.utils import timezone
from harness.cases import run

from channelgate import adisconnect, ajoin, disconnect, join, leave
from channelgate.testing import captured


def send(group, **event):
    """As projects call it."""
    async_to_sync(get_channel_layer().group_send)(group, {"type": "order.status", **event})


def test_nothing_reaches_the_layer(layer):
    with captured() as sent:
        send("order_7", status="paid")
        async_to_sync(get_channel_layer().send)("thumbnails", {"type": "make"})
    assert layer.trace == []
    assert sent.sends == [("thumbnails", {"type": "make"})]
    one = sent.assert_published("order_7", type="order.status", status="paid")
    assert (one.group, one.type, one.event["status"]) == ("order_7", "order.status", "paid")
    sent.assert_not_published("order_7", status="open")
    sent.assert_not_published("order_8")
    assert len(sent) == 1 and [group for group, event in sent] == ["order_7"] and sent[0] == one
    send("order_7", status="sent")
    assert layer.trace and len(sent) == 1


def test_a_layer_that_the_project_holds_is_captured(layer):
    held = get_channel_layer()
    with captured() as sent:
        async_to_sync(held.group_send)("order_7", {"type": "x"})
    assert len(sent) == 1 and layer.trace == []


def test_what_the_layer_refuses_is_refused(layer):
    with captured() as sent:
        with pytest.raises(TypeError, match="Group name must be"):
            send("order 7")
        with pytest.raises(TypeError, match="message is a dict"):
            async_to_sync(get_channel_layer().group_send)("order_7", ["x"])
    assert not sent


def test_orders_to_the_nodes_are_captured(layer, anna):
    identity = str(anna[0].pk)
    with captured() as sent:
        disconnect(anna[0], reason="locked")
        join(anna[0], "board.7")
        leave(anna[0], "board.8", consumer="board")
        client = Client()
        client.force_login(anna[0])
        client.logout()
    assert sent.orders[:3] == [
        {"user": identity, "reason": "locked"},
        {"user": identity, "join": "board.7"},
        {"user": identity, "leave": "board.8", "consumer": "board"},
    ]
    (logout,) = sent.orders[3:]
    assert logout["reason"] == "logged out" and "fingerprint" in logout
    with captured() as sent, pytest.raises(ValueError, match="anonymous"):
        leave(None, "board.7")


async def test_orders_on_an_event_loop_are_captured(layer, anna):
    with captured() as sent:
        await adisconnect(anna[0])
        await ajoin(anna[0], "board.7")
    assert sent.orders == [{"user": str(anna[0].pk)}, {"user": str(anna[0].pk), "join": "board.7"}]


async def test_on_an_event_loop(layer):
    with captured() as sent:
        await get_channel_layer().group_send("order_7", {"type": "order.status"})
        sent.assert_published("order_7")


def test_other_threads_are_captured(layer):
    with captured() as sent:
        threads = [threading.Thread(target=send, args=(f"order_{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(group for group, _ in sent) == [f"order_{number}" for number in range(8)]


def test_the_innermost_block_has_it(layer):
    with captured() as outer:
        with captured() as inner:
            send("order_7")
        send("order_8")
    assert [group for group, _ in inner] == ["order_7"] and [group for group, _ in outer] == ["order_8"]


def test_a_block_that_fails_ends_the_capture(layer):
    with pytest.raises(KeyError), captured():
        raise KeyError
    send("order_7")
    assert layer.trace


def on_commit(group, **event):
    transaction.on_commit(lambda: send(group, **event))


def test_in_a_test_case_callbacks_run_where_the_project_commits(layer):
    def test(self):
        with captured() as sent:
            # In autocommit mode Django would call at once.
            on_commit("order_1")
            assert [group for group, _ in sent] == ["order_1"]
            with transaction.atomic():
                User.objects.create(username="ben")
                on_commit("order_2")
                with transaction.atomic():
                    on_commit("order_3")
                assert len(sent) == 1
            assert [group for group, _ in sent] == ["order_1", "order_2", "order_3"]
            with transaction.atomic(savepoint=False):
                on_commit("order_4")
            sent.assert_published("order_4")

    run(TestCase, test)


def test_what_is_rolled_back_is_not_published(layer):
    def test(self):
        with captured() as sent:
            with pytest.raises(KeyError), transaction.atomic():
                on_commit("order_1")
                raise KeyError
            with transaction.atomic():
                with pytest.raises(KeyError), transaction.atomic():
                    on_commit("order_2")
                    raise KeyError
                on_commit("order_3")
            with transaction.atomic():
                on_commit("order_4")
                transaction.set_rollback(True)
        assert [group for group, _ in sent] == ["order_3"]

    run(TestCase, test)


def test_nothing_is_published_of_a_transaction_that_is_broken(layer):
    def test(self):
        with captured() as sent:
            with pytest.raises(KeyError), transaction.atomic(savepoint=False):
                on_commit("order_1")
                raise KeyError
            on_commit("order_2")
        assert not sent

    run(TestCase, test)


def test_callbacks_can_be_kept(layer):
    def test(self):
        with captured(commit=False) as sent:
            with transaction.atomic():
                on_commit("order_1")
            assert not sent
            with pytest.raises(AssertionError, match=r"1 on_commit callback waits .* commit=False"):
                sent.assert_published("order_1")
            sent.commit()
            sent.assert_published("order_1")
            sent.commit()
            assert len(sent) == 1

    run(TestCase, test)


def test_what_was_registered_before_does_not_run(layer):
    def test(self):
        on_commit("before")
        with captured() as sent:
            on_commit("within")
        assert [group for group, _ in sent] == ["within"]
        with self.captureOnCommitCallbacks() as callbacks:
            on_commit("after")
        assert len(callbacks) == 1

    run(TestCase, test)


def test_a_callback_may_write_and_register_another(layer):
    def again():
        with transaction.atomic():
            User.objects.create(username="ben")
            on_commit("inner")
        send("outer")

    def test(self):
        with captured() as sent, transaction.atomic():
            transaction.on_commit(again)
            on_commit("last")
        assert [group for group, _ in sent] == ["inner", "outer", "last"]

    run(TestCase, test)


def test_a_robust_callback_that_fails_is_logged(layer, caplog):
    def fail():
        raise KeyError("x")

    def test(self):
        with captured() as sent:
            with transaction.atomic():
                transaction.on_commit(fail, robust=True)
                on_commit("order_1")
            sent.assert_published("order_1")
            with pytest.raises(KeyError), transaction.atomic():
                transaction.on_commit(fail)

    run(TestCase, test)
    assert "on_commit(robust=True) failed" in caplog.text


def test_where_django_commits_itself_nothing_changes(layer):
    with captured() as sent:
        with transaction.atomic():
            on_commit("order_1")
            assert not sent
        sent.assert_published("order_1")


def test_the_seam_of_publish(layer):
    """`channelgate.publish` hands a message over when it would send it."""

    def test(self):
        with captured() as sent, transaction.atomic():
            transaction.on_commit(lambda: sent.add("order_1", {"type": "a"}, None, True), robust=True)
            sent.add("order_2", {"type": "a"}, None, False)
            assert [group for group, _ in sent] == ["order_2"]
        assert [group for group, _ in sent] == ["order_2", "order_1"]

    run(TestCase, test)


def test_a_failure_says_what_was_published_instead(layer):
    with captured() as sent:
        with pytest.raises(AssertionError) as failure:
            sent.assert_published("order_7", status="paid")
        assert str(failure.value) == "No event was published to 'order_7' with status='paid'.\nNothing was published."
        send("order_8", status="paid")
        send("order_7", status="open")
        with pytest.raises(AssertionError) as failure:
            sent.assert_published("order_7", status="paid", by="anna")
        assert str(failure.value) == (
            "No event was published to 'order_7' with status='paid', by='anna'.\n"
            "Published (2):\n"
            '  order_7: {"status": "open", "type": "order.status"}   <- status is "open", has no by\n'
            '  order_8: {"status": "paid", "type": "order.status"}'
        )
        with pytest.raises(AssertionError, match="Groups: order_7, order_8"):
            sent.assert_published("orders_7")
        with pytest.raises(AssertionError, match=r"^2 events were published to 'order_7'"):
            send("order_7", status="open")
            sent.assert_not_published("order_7", status="open")
        for number in range(20):
            send("order_9", text="x" * 1000, number=number)
        with pytest.raises(AssertionError) as failure:
            sent.assert_published("order_9", number=99)
        assert "  and 13 more" in str(failure.value) and len(str(failure.value)) < 5000


def test_values_match_as_written_or_as_sent(layer):
    now = timezone.now()
    with captured() as sent:
        sent.add("order_7", {"at": now.isoformat()[:23] + "Z", "order-id": 7, "when": datetime.date(2026, 3, 2)})
        sent.assert_published("order_7", {"order-id": 7}, at=now)
        sent.assert_published("order_7", when="2026-03-02")
        sent.assert_not_published("order_7", {"order-id": 8})
        sent.clear()
        assert not sent
