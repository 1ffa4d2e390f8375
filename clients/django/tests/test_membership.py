"""`join` and `leave`: what they refuse, and which Redis they use.

tests/e2e/test_membership_from_outside.py has the nodes.
"""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured

from channelgate import ajoin, aleave, join, leave, membership, places

CORE = "channels_redis.core.RedisChannelLayer"


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((None, "a"), {}, ValueError),
        ((AnonymousUser(), "a"), {}, ValueError),
        ((True, "a"), {}, TypeError),
        ((7.0, "a"), {}, TypeError),
        ((b"7", "a"), {}, TypeError),
        (("", "a"), {}, ValueError),
        ((7, ""), {}, ValueError),
        ((7, None), {}, ValueError),
        ((7, "a"), {"timeout": 0}, ValueError),
        ((7, "a"), {"timeout": float("nan")}, ValueError),
        ((7, "a"), {"timeout": "3"}, ValueError),
    ],
)
async def test_bad_input_is_an_error_before_anything_is_sent(arguments, options, error):
    for function in (join, leave):
        with pytest.raises(error):
            function(*arguments, **options)
    for function in (ajoin, aleave):
        with pytest.raises(error):
            await function(*arguments, **options)


@pytest.mark.parametrize(
    ("redis", "layer", "host"),
    [
        ("redis://a/1", {"BACKEND": CORE}, {"address": "redis://a/1"}),
        ({"host": "a", "port": 1}, {}, {"host": "a", "port": 1}),
        (None, {"BACKEND": CORE}, {"address": "redis://localhost:6379"}),
        (None, {"BACKEND": CORE, "CONFIG": {"hosts": [("a", 1), ("b", 2)]}}, {"host": "a", "port": 1}),
        (
            None,
            {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["redis://c"]}},
            {"address": "redis://c"},
        ),
        (None, {"BACKEND": "channels.layers.InMemoryChannelLayer"}, None),
        (None, {}, None),
        (7, {"BACKEND": CORE}, None),
        (None, {"BACKEND": CORE, "CONFIG": {"hosts": [7]}}, None),
    ],
)
def test_redis_is_that_of_the_setting_or_of_the_layer(redis, layer, host, settings):
    settings.CHANNELGATE = {"REDIS_URL": redis}
    settings.CHANNEL_LAYERS = {"default": layer}
    if host is None:
        with pytest.raises(ImproperlyConfigured):
            places.host()
    else:
        assert places.host() == host


def test_a_host_becomes_a_pool_of_its_kind():
    import redis
    import redis.sentinel

    kinds = [
        ({"address": "redis://:pw@a:7/2", "socket_timeout": 1}, redis.ConnectionPool),
        ({"host": "a", "port": 7}, redis.ConnectionPool),
        ({"sentinels": [("a", 1)], "master_name": "m", "password": "x"}, redis.sentinel.SentinelConnectionPool),
    ]
    for host, kind in kinds:
        pool = places._pool(redis, dict(host))
        assert type(pool) is kind
        assert pool.connection_kwargs["socket_timeout"] == host.get("socket_timeout", places.TIMEOUTS["socket_timeout"])


def test_the_answers_of_the_nodes_are_added_up():
    order = membership._Order("leave", "7", "a", None, 3)
    order.heard = 3
    assert order.left() > 0
    for line in (
        b'{"node": "a", "result": {"connections": 2, "changed": 1, "failed": 0}}',
        b'{"node": "b", "result": {"connections": 1, "changed": 1, "failed": 0}}',
        b'{"node": "c", "failed": "a worker thread did not answer in time"}',
    ):
        order.take((b"key", line))
    assert order.left() == 0
    assert order.outcome() == membership.Membership(connections=3, changed=2, refused=0, nodes=2, silent=1)


def test_an_order_that_no_node_can_read_is_an_error():
    order = membership._Order("join", "7", "a", "baord", 3)
    order.heard = 1
    order.take((b"key", b'{"node": "a", "field": "consumer", "reason": "No consumer is named \\"baord\\""}'))
    with pytest.raises(ValueError, match="consumer: No consumer is named"):
        order.outcome()
