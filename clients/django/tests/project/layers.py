"""A layer of the project's own, on top of one of channels_redis."""

from channels_redis.core import RedisChannelLayer


class OwnLayer(RedisChannelLayer):
    """The same."""
