"""Ends a user's connections on every node of Channelgate."""

import json

import redis
from django.conf import settings

CHANNEL = "channelgate:control:disconnect"


def end(user_id, reason):
    connection = redis.Redis.from_url(settings.REDIS_URL)
    connection.publish(CHANNEL, json.dumps({"user": user_id, "reason": reason}))
    connection.close()
