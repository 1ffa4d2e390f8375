"""When a message is sent: after the commit of its transaction, never after a rollback, and now outside of one."""

import unittest

import pytest
from django.db import transaction
from django.test import TestCase

from channelgate import publish, publish_many, to_user


def event(name, **more):
    return {"type": "note", "name": name, **more}


def names(node, count):
    return [one["name"] for one in node.all(count)]


def test_outside_of_a_transaction_it_is_sent_now(node):
    publish("g", event("now"))
    assert node.next(1) == event("now")


def test_in_a_transaction_it_waits_for_the_commit(node):
    with transaction.atomic():
        publish("g", event("waits"))
        publish("g", event("first"), on_commit=False)
    publish("g", event("after"))
    assert names(node, 3) == ["first", "waits", "after"]


def test_the_setting_says_whether_it_waits(node, settings):
    settings.CHANNELGATE = {**settings.CHANNELGATE, "PUBLISH": {"ON_COMMIT": False}}
    with transaction.atomic():
        publish("g", event("waits"), on_commit=True)
        publish("g", event("first"))
    assert names(node, 2) == ["first", "waits"]


def test_a_rollback_sends_nothing(node):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish("g", event("never"))
        publish_many([("g", event("nor this"))])
        raise ZeroDivisionError
    publish("g", event("mark"))
    assert names(node, 1) == ["mark"]


def test_a_savepoint_that_is_rolled_back_takes_its_messages_along(node):
    with transaction.atomic():
        publish("g", event("outer"))
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            publish("g", event("never"))
            with transaction.atomic():
                publish("g", event("nor the inner one"))
            raise ZeroDivisionError
        with transaction.atomic():
            publish("g", event("inner"))
        publish("g", event("last"))
    assert names(node, 3) == ["outer", "inner", "last"]


def test_using_names_the_database_of_the_transaction(node):
    with transaction.atomic(using="other"):
        publish("g", event("other"), using="other")
        publish("g", event("default"))
        with transaction.atomic():
            publish("g", event("also default"))
    assert names(node, 3) == ["default", "also default", "other"]


def test_other_callbacks_run_although_a_message_cannot_be_sent(server, use):
    use(None, REDIS_URL="redis://127.0.0.1:1", PUBLISH={"ON_ERROR": "raise", "TIMEOUT": 0.2})
    ran = []
    with transaction.atomic():
        publish("g", event("lost"))
        transaction.on_commit(lambda: ran.append(1))
    assert ran == [1]


def test_a_later_change_of_the_event_changes_nothing(node):
    inner = {"a": [1]}
    with transaction.atomic():
        publish("g", event("early", inner=inner))
        inner["a"].append(2)
    assert node.next()["inner"] == {"a": [1]}


def test_to_a_user_and_many_at_once_wait_alike(server, node, anna):
    from harness.server import Node

    group = f"user_{anna[0].pk}"
    own = Node(server, group, "user_auth0-x7c1")
    with transaction.atomic():
        to_user(anna[0], event("as a user"))
        to_user("auth0|1", event("by id"))
        publish_many((group, event(number)) for number in range(250))
        publish(group, event("first"), on_commit=False)
    assert names(own, 3 + 250) == ["first", "as a user", "by id", *range(250)]
    own.close()


def test_in_a_testcase_messages_are_sent_when_its_callbacks_run(node):
    class Case(TestCase):
        def test(self):
            publish("g", event("kept"))
            with self.captureOnCommitCallbacks(execute=True) as callbacks:
                publish("g", event("sent"))
            assert len(callbacks) == 1

    outcome = unittest.TestResult()
    unittest.TestSuite([Case("test")]).run(outcome)
    assert outcome.testsRun == 1 and not outcome.failures and not outcome.errors, outcome.errors
    publish("g", event("mark"))
    assert names(node, 2) == ["sent", "mark"]
