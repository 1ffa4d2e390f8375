"""The configuration of the nodes, and what is expected of each class: a wrong or a missing refusal fails."""

import re

from .scenario import Gone, Open, Scenario, Send

#: The bridge for every path of the corpus, one consumer for each app.
CONFIG = "".join(
    f"""
[[consumer]]
name = "{app}"
path = "/ws/{app}/<path:rest>"
django = true
"""
    for app in (
        "chat",
        "notify",
        "presence",
        "identity",
        "streams",
        "states",
        "teams",
        "mistakes",
        "packaged",
        "hopeless",
    )
)

#: What `channelgate init` may say of a class: its `connect` only checks the user and joins, and its handlers are
#: expressions. It runs as well through the bridge.
NATIVE = {
    "notify.consumers.UserConsumer",
    "notify.consumers.AnnouncementConsumer",
    "mistakes.consumers.DefaultConsumer",
    "mistakes.consumers.DefaultJsonConsumer",
}

#: Path → kind and text of the refusal, as docs/django/bridge.md has them.
REFUSED = {
    path: (kind, re.compile(text))
    for path, (kind, text) in {
        "heartbeat/": ("background", r"HeartbeatConsumer leaves a task running after connect\(\) .*heartbeat"),
        "later/": ("background", r"LaterLoopConsumer leaves a task running after receive\(\) .*tick"),
        "thread/": ("background", r"ThreadConsumer leaves a thread running after connect\(\) .*work"),
        "file/": ("state", r"FileConsumer: self\.file is an? _io\.TextIOWrapper, which cannot be kept"),
        "event/": ("state", r"EventConsumer: self\.disconnect_event is an asyncio\.locks\.Event, which cannot be kept"),
        "generator/": ("state", r"GeneratorConsumer: self\.numbers is a .*generator, which cannot be kept"),
        "pong/r/": ("shared", r"PongConsumer: self\.game_state is shared with \w+ of this process"),
        "big/": ("state_size", r"BigConsumer: its state has \d+ bytes, more than 65536; self\.blob alone \d+"),
        "endless/": ("long", r"connect\(\) at /ws/hopeless/endless/ did not finish within 15 s"),
        "waiting/": ("receive", r"WaitingConsumer waits for messages of a channel inside a handler"),
        "streams/": ("nested", r"StreamsConsumer runs other consumers inside it"),
        "plain/": ("no_consumer", r"/ws/hopeless/plain/ is served by a plain ASGI application"),
    }.items()
}
#: These show it at the first message.
AT_A_MESSAGE = {"later/", "waiting/"}


def refusals() -> list[Scenario]:
    """A script for each of them: it connects, perhaps says something, and has to be sent away."""

    def script(path: str) -> Scenario:
        steps = [Open("a", f"/ws/hopeless/{path}", "anna"), *([Send("a", "x")] * (path in AT_A_MESSAGE)), Gone("a")]
        return Scenario(f"refused: {path}", f"hopeless {path}", steps)

    return [script(path) for path in REFUSED]
