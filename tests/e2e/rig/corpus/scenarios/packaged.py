"""Consumers of installed packages: djangochannelsrestframework, channels-rpc and chanx."""

from ..scenario import Frames, Gone, Open, Publish, Request, Rows, Save, Scenario, Send

PROJECTS, TODOS = "packaged.consumers.ProjectConsumer", "packaged.consumers.TodoConsumer"
FEED, TYPED = "packaged.consumers.TodoFeedConsumer", "packaged.chanx_consumers.TypedConsumer"


def ask(name: str, action: str, request_id: object = 1, **more: object) -> Send:
    return Send(name, {"action": action, "request_id": request_id, **more})


def rpc(method: str, number: object = 1, **params: object) -> Send:
    return Send("a", {"jsonrpc": "2.0", "method": method, "params": params, "id": number})


SCENARIOS = [
    Scenario(
        "djangochannelsrestframework: the five actions",
        PROJECTS,
        [
            Open("anna", "/ws/packaged/projects/", "anna"),
            ask("anna", "list"),
            Frames("anna", 1),
            ask("anna", "create", 2, data={"name": "library two"}),
            Frames("anna", 2),
            Save("anna", "data", "made"),
            Send("anna", '{"action": "retrieve", "request_id": 3, "pk": {made[id]}}'),
            Send("anna", '{"action": "patch", "request_id": 4, "pk": {made[id]}, "data": {"name": "library 2"}}'),
            ask("anna", "create", 5, data={}),
            ask("anna", "retrieve", 6, pk=-1),
            ask("anna", "explode", 7),
            Send("anna", {"no": "action"}),
            Frames("anna", 8),
            Send("anna", '{"action": "delete", "request_id": 8, "pk": {made[id]}}'),
            ask("anna", "list", 9),
            Frames("anna", 10),
        ],
        rows=[Rows("packaged_project", "name LIKE 'library%'", 1)],
        sample=True,
    ),
    Scenario(
        "djangochannelsrestframework: permissions at connect",
        PROJECTS,
        [Open("nobody", "/ws/packaged/projects/")],
    ),
    Scenario(
        "djangochannelsrestframework: subscribes to one row",
        TODOS,
        [
            Open("anna", "/ws/packaged/todos/", "anna"),
            ask("anna", "whoami"),
            ask("anna", "count", 2, project=1),
            Frames("anna", 2),
            ask("anna", "subscribe_instance", "s1", pk=1),
            Frames("anna", 3),
            ask("anna", "subscribe_instance", "s2", pk=1),
            Frames("anna", 4),
            Request("PATCH", "/api/tasks/1/", {"title": "read more"}),
            Frames("anna", 6, unordered=True),
            ask("anna", "unsubscribe_instance", "s1", pk=1),
            Frames("anna", 7),
            Request("PATCH", "/api/tasks/1/", {"done": True}),
            ask("anna", "count", 3, project=1),
            Frames("anna", 8),
            Send("anna", {"action": "subscribe_instance", "pk": 1}),
            Gone("anna"),
        ],
        sample=True,
    ),
    Scenario(
        "djangochannelsrestframework: an observer of a model",
        FEED,
        [
            Open("a", "/ws/packaged/feed/"),
            Open("b", "/ws/packaged/feed/"),
            ask("a", "subscribe_to_project", "r1", pk=2),
            Frames("a", 1),
            Request("PATCH", "/api/tasks/3/", {"title": "write more"}),
            Frames("a", 2),
            ask("b", "subscribe_to_project", "r2", pk=2),
            Frames("b", 1),
            Request("PATCH", "/api/tasks/3/", {"done": True}),
            Frames("a", 3),
            Frames("b", 2),
            ask("a", "unsubscribe_from_project", "r1", pk=2),
            Frames("a", 4),
            Request("DELETE", "/api/tasks/3/"),
            Frames("b", 3),
            ask("a", "subscribe_to_project", "r3", pk=-1),
            Frames("a", 5),
        ],
        sample=True,
    ),
    Scenario(
        "channels-rpc: calls, errors and a batch",
        "packaged.consumers.CalculatorConsumer",
        [
            Open("a", "/ws/packaged/rpc/"),
            rpc("add", 1, a=1, b=2),
            rpc("todos.count", "two", project=99),
            rpc("nothing", 3),
            rpc("add", 5, a=1),
            Send("a", "not json"),
            Send("a", [{"jsonrpc": "2.0", "method": "add", "params": [3, 4], "id": 6}, {"bad": 1}]),
            Send("a", {"jsonrpc": "2.0", "method": "add", "params": {"a": 1, "b": 1}}),
            rpc("fail", 4),
            Gone("a"),
        ],
        sample=True,
    ),
    Scenario(
        "chanx: typed messages, each in a task of its own",
        TYPED,
        [
            Open("a", "/ws/packaged/typed/"),
            Open("b", "/ws/packaged/typed/"),
            Send("a", {"action": "echo", "payload": {"text": "ab", "times": 2}}),
            Frames("a", 2),
            Send("a", {"action": "echo", "payload": {}}),
            Frames("a", 4),
            Send("a", {"action": "nothing"}),
            Frames("a", 6),
            Send("b", {"action": "say", "payload": "to all"}),
            Frames("a", 8),
            Frames("b", 2, unordered=True),
            Frames("b", 3),
        ],
        events={"typed": 1},
        sample=True,
    ),
    Scenario(
        "chanx: an event from outside",
        TYPED,
        [
            Open("a", "/ws/packaged/typed/"),
            # It joins its groups after it has accepted.
            Send("a", {"action": "echo", "payload": {"text": "in"}}),
            Frames("a", 2),
            Publish("typed", {"type": "handle_channel_event", "event_data": {"action": "news", "payload": "x"}}),
            Frames("a", 4),
        ],
    ),
]
