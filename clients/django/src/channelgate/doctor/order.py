"""The checks, in the order in which they are asked: what others need comes first."""

from channelgate.doctor import (
    asking,
    clocks,
    code,
    hearing,
    layer,
    logins,
    nginx,
    node,
    publishing,
    routes,
    settings,
    sockets,
    versions,
)
from channelgate.doctor.run import Check

_LAYER = frozenset({"the channel layer"})
_REDIS = _LAYER | {"Redis"}
_NODE = frozenset({"the node"})

CHECKS = (
    Check("layer", layer.which_layer, "The channel layer", breaks="the channel layer"),
    Check("redis", layer.redis_answers, "Redis", breaks="Redis"),
    Check("node", node.is_ready, "The node", breaks="the node"),
    Check("api_key", node.takes_api_key, "The API key", needs=_NODE),
    Check("paths", node.serves_paths, "The paths of the node", needs=_NODE),
    Check(
        "same_redis",
        hearing.same_redis,
        "Whether the node reads the same Redis",
        needs=_REDIS | _NODE | {"the API key"},
        breaks="the same Redis",
        seconds=10,
    ),
    Check(
        "group_send",
        sockets.reaches_a_socket,
        "A group_send to a socket",
        needs=_REDIS | _NODE | {"the same Redis"},
        seconds=8,
    ),
    Check("rollback", publishing.rolled_back, "publish() in a transaction", needs=_REDIS),
    Check("secret_key", logins.secret_key, "A token of Django", needs=_NODE),
    Check("ws_token", logins.ws_token, "A ws-token", needs=_NODE),
    Check("session", logins.session, "A session", needs=_NODE),
    Check("origins", logins.origins, "The origins", needs=_NODE),
    Check("nginx", nginx.upgrades, "nginx"),
    Check("timeouts", nginx.timeouts, "The timeouts of nginx"),
    Check("django", asking.node_asks_django, "Whether the node can ask Django", needs=_NODE, seconds=10),
    Check("clocks", clocks.clocks, "The clocks", needs=_NODE),
    Check("versions", versions.versions, "The versions"),
    Check("settings", settings.carried_over, "What a node needs of the settings"),
    Check("routes", routes.counted, "The routes"),
    Check("daphne", routes.stay_with_daphne, "What stays with Daphne"),
    Check("code", code.code, "The code"),
)
