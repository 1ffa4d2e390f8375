"""A browser receives the same from Channelgate as from ordinary consumers under Daphne: frame by frame, in order.

Targets: Daphne, one node, and three nodes behind nginx; all of them receive from the same Django at the same time.
"""

import asyncio
import json
import time

import jwt
import pytest
import stack
from rig.http import Http
from rig.oracle import Comparison
from rig.system import ORACLE_ONLY

PNG = ("seen.png", b"\x89PNG\r\n\x1a\n")
JUNE = "2025-06-01T09:00:00Z"


def nested(depth: int, of_objects: bool = False):
    value = 1
    for _ in range(depth):
        value = {"a": value} if of_objects else [value]
    return value


#: What a reader could change. Python's json carries about 1000 levels, less its stack.
VALUES = [
    "\ud83d",
    "x\ude00\ud83dy",
    {"\ud83d": {"\ude00\ude00": ["\ud83d"]}, "": ""},
    "\U0010e800\U0010e03d",
    10**99,
    [-(10**99), 2**64, -(2**63) - 1, 2**64 - 1, -(2**63)],
    [1.0, -0.0, 1e16, 1e-7, 5e-324, 1.7976931348623157e308],
    nested(130),
    nested(500, of_objects=True),
    nested(800),
]


@pytest.fixture
async def compare(whole):
    targets = {"daphne": whole.django.port}
    if not ORACLE_ONLY:
        targets |= {"node": whole.nodes[0].port, "cluster": whole.nginx.port}
    async with whole.publisher() as publisher:
        comparison = Comparison(targets, Http(whole.django.port), publisher)
        yield comparison
        for name in list(comparison.clients):
            await comparison.close(name)


class Person:
    """A registered user with an access token and, on demand, ws-tokens from Django's own endpoint."""

    def __init__(self, api: Http, user_id: int, access: str, refresh: str):
        self.api, self.id, self.access, self.refresh = api, user_id, access, refresh

    @classmethod
    async def register(cls, api: Http, name: str) -> "Person":
        login = {"username": f"{name}-{time.monotonic_ns()}", "password": "correct horse"}
        user = (await api.post("/api/user/register/", data=login)).json()
        tokens = (await api.post("/api/token/", data=login)).json()
        return cls(api, user["id"], tokens["access"], tokens["refresh"])

    async def ws_token(self, api: Http | None = None) -> str:
        reply = await (api or self.api).get("/api/user/ws-token/", token=self.access)
        assert reply.status == 200, reply
        return reply.json()["ws_token"]

    @property
    def groups(self) -> list[str]:
        return ["notifications", f"user_{self.id}", f"user_{self.id}_notifications"]


async def new_client(api: Http, **fields) -> dict:
    form = {"first_seen": JUNE, "last_seen": JUNE, "gender": "female", "age": 31, **fields}
    reply = await api.post("/api/clients/", form=form, files={"image": PNG})
    assert reply.status == 201, reply
    return reply.json()


async def new_employee(api: Http, name: str) -> dict:
    form = {"first_name": name, "last_name": "Ünsal", "email": f"staff-{time.monotonic_ns()}@example.org"}
    form["phone_number"] = str(time.monotonic_ns())[-12:]
    reply = await api.post("/api/employees/", form=form, files={"image": PNG})
    assert reply.status == 201, reply
    return reply.json()


# S2, the feed of visitors and staff on /ws/


async def test_every_step_of_a_visitor_is_sent_in_order(compare):
    api = compare.api
    await compare.connect("a", "/ws/", ["broadcast"])
    await compare.connect("b", "/ws/?room=ignored", ["broadcast"])
    client = (await new_client(api))["id"]
    await api.request("PATCH", f"/api/clients/{client}/", data={"age": 32})
    visit = (await api.post("/api/visits/", data={"client": client, "datetime": JUNE, "device_id": 7})).json()["id"]
    await api.request("PATCH", f"/api/visits/{visit}/", data={"device_id": 8})
    await api.request("DELETE", f"/api/visits/{visit}/")
    await api.request("DELETE", f"/api/clients/{client}/")
    frames = await compare.agree(a=7, b=7)
    assert [frame["event"] for frame in frames["a"]] == [
        "client_create",
        "client_update",
        "client_update",
        "client_visit_create",
        "client_visit_update",
        "client_visit_delete",
        "client_delete",
    ]
    counted = frames["a"][2]["data"]
    assert (counted["visit_count"], counted["visit_histories"]) == (2, [])
    assert counted["first_seen"] == "2025-06-01T09:00:00+00:00"
    assert counted["image"].startswith("/media/clients/")
    assert frames["a"][5]["data"] == {"datetime": "2025-06-01T09:00:00+00:00", "device_id": 8, "client": client}


async def test_a_deleted_client_takes_its_visits_with_it_first(compare):
    api = compare.api
    client = (await new_client(api))["id"]
    for device in range(12):
        await api.post("/api/visits/", data={"client": client, "datetime": JUNE, "device_id": device})
    await compare.connect("late", "/ws/", ["broadcast"])
    await api.request("DELETE", f"/api/clients/{client}/")
    frames = await compare.agree(late=13)
    assert [frame["event"] for frame in frames["late"]] == ["client_visit_delete"] * 12 + ["client_delete"]
    assert sorted(frame["data"]["device_id"] for frame in frames["late"][:12]) == list(range(12))


async def test_a_deleted_employee_takes_its_attendances_with_it_first(compare):
    api = compare.api
    await compare.connect("feed", "/ws/", ["broadcast"])
    employee = (await new_employee(api, "Ayşe"))["id"]
    await api.request("PATCH", f"/api/employees/{employee}/", data={"last_name": "Öz"})
    for score in (0.5, 1.0, 0.1 + 0.2):
        form = {"employee": employee, "device_id": 3, "datetime": JUNE, "score": score}
        reply = await api.post("/api/employee-attendances/", form=form, files={"image": PNG})
        assert reply.status == 201
    # An update of an attendance is not published.
    await api.request("PATCH", f"/api/employee-attendances/{reply.json()['id']}/", data={"device_id": 4})
    await api.request("DELETE", f"/api/employees/{employee}/")
    frames = (await compare.agree(feed=9))["feed"]
    assert [frame["event"] for frame in frames] == [
        "employee_create",
        "employee_update",
        *["employee_attendance"] * 3,
        *["employee_attendance_delete"] * 3,
        "employee_delete",
    ]
    assert [frame["data"]["score"] for frame in frames[2:5]] == [0.5, 1.0, 0.30000000000000004]


async def test_an_employee_without_an_image_is_not_published(compare):
    await compare.connect("feed", "/ws/", ["broadcast"])
    data = {"first_name": "No", "last_name": "Image", "email": f"{time.monotonic_ns()}@example.org"}
    reply = await compare.api.post("/api/employees/", data={**data, "phone_number": str(time.monotonic_ns())[-12:]})
    assert reply.status == 500
    await compare.agree(feed=0)


async def test_every_kind_of_value_arrives_as_it_was_published(compare):
    await compare.connect("feed", "/ws/", ["broadcast"])
    values = [
        None,
        True,
        0,
        -1,
        2**53 + 1,
        -(2**63),
        2**64 - 1,
        1.0,
        -0.0,
        1e300,
        5e-324,
        "",
        'ünïcödé ‍👩‍👧 \u2028 \\ " / \u0000 \u001f',
        [],
        {},
        [[], {}, [None]],
        {"z": 1, "a": {"": "empty key", "ключ": [1, 2.5, "3"]}},
        "x" * 70_000,
        list(range(1000)),
    ]
    for value in values:
        await compare.publish("broadcast", type="send_event", event="values", data=value)
    # The handler's name may be written with a dot.
    await compare.publish("broadcast", type="send.event", event="dotted", data={"a": 1})
    frames = (await compare.agree(feed=len(values) + 1))["feed"]
    assert [frame["data"] for frame in frames[:-1]] == values


async def test_messages_of_a_client_on_the_feed_are_ignored(compare):
    """A raw `ping` is answered by the node alone: pages see no pings of the protocol."""
    await compare.connect("feed", "/ws/", ["broadcast"])
    await compare.send("feed", "not json", "", "{", b"\x00\xff", {"type": "subscribe"}, '"ping"', [1, 2], "null")
    await compare.publish("broadcast", type="send_event", event="still", data="here")
    assert (await compare.agree(feed=1))["feed"] == [{"event": "still", "data": "here"}]


async def test_a_burst_keeps_its_order_for_everyone(compare):
    for name in "abc":
        await compare.connect(name, "/ws/", ["broadcast"])
    for start in range(0, 600, 60):  # in portions: a queue of the core layer holds 100
        for number in range(start, start + 60):
            await compare.publish("broadcast", type="send_event", event="number", data=number)
        await compare.settle()
    frames = await compare.agree(a=600, b=600, c=600)
    assert [frame["data"] for frame in frames["b"]] == list(range(600))


async def test_a_client_that_left_gets_nothing_and_a_new_one_gets_later_events(compare):
    await compare.connect("stays", "/ws/", ["broadcast"])
    await compare.connect("leaves", "/ws/", ["broadcast"])
    await compare.publish("broadcast", type="send_event", event="one", data=1)
    assert len((await compare.agree(leaves=1))["leaves"]) == 1
    await compare.close("leaves")
    await compare.publish("broadcast", type="send_event", event="two", data=2)
    await compare.settle()
    await compare.connect("comes", "/ws/", ["broadcast"])
    await compare.publish("broadcast", type="send_event", event="three", data=3)
    frames = await compare.agree(stays=3, comes=1)
    assert frames["comes"] == [{"event": "three", "data": 3}]


# S0, live attendance on /ws/attendance/


async def test_attendance_greets_and_sends_every_change(compare):
    api = compare.api
    await compare.connect("dashboard", "/ws/attendance/", ["attendance_updates"])
    record = {"user_name": "José", "employee_id": "E-7", "office": "Davao", "date": "2025-06-01", "check_in_time": JUNE}
    made = (await api.post("/api/attendance/", data=record)).json()
    await api.request("PATCH", f"/api/attendance/{made['id']}/", data={"status": "late", "device": "Gate 2"})
    await api.request("DELETE", f"/api/attendance/{made['id']}/")
    frames = (await compare.agree(dashboard=4))["dashboard"]
    assert frames[0] == {"type": "connection_established", "message": "Connected to attendance updates"}
    assert [frame["type"] for frame in frames[1:]] == ["attendance_update"] * 3
    assert [frame["data"]["action"] for frame in frames[1:]] == ["created", "updated", "deleted"]
    assert frames[1]["data"]["check_out_time"] is None and frames[2]["data"]["device"] == "Gate 2"
    assert list(frames[3]["data"]) == ["id", "user_name", "employee_id", "action"]


async def test_a_ping_is_answered_with_its_own_timestamp(compare):
    await compare.connect("dashboard", "/ws/attendance/", ["attendance_updates"])
    stamps = [1748768400000, 1748768400000.5, "2025-06-01T09:00:00.000Z", None, True, {"a": [1]}, [], "é\u0000"]
    for stamp in stamps:
        await compare.send("dashboard", {"type": "ping", "timestamp": stamp})
    await compare.send("dashboard", {"type": "ping"}, {"timestamp": 1, "extra": {}, "type": "ping"})
    frames = (await compare.agree(dashboard=11))["dashboard"]
    assert frames[1:] == [{"type": "pong", "timestamp": stamp} for stamp in [*stamps, None, 1]]


async def test_every_value_of_a_client_comes_back_as_from_daphne(compare):
    await compare.connect("dashboard", "/ws/attendance/", ["attendance_updates"])
    for value in VALUES:
        await compare.send("dashboard", {"type": "ping", "timestamp": value})
    await compare.send(
        "dashboard", r'{"type": "ping", "timestamp": "\uD83D\u0041", "timestamp": [-0, 1E5, "\ud83d\uDE00"]}'
    )
    frames = (await compare.agree(dashboard=len(VALUES) + 2))["dashboard"]
    assert frames[1:-1] == [{"type": "pong", "timestamp": value} for value in VALUES]


async def test_every_value_of_a_publisher_arrives_as_from_daphne(compare):
    await compare.connect("feed", "/ws/", ["broadcast"])
    sent = []
    for value in VALUES:
        try:
            await compare.publish("broadcast", type="send_event", event="value", data=value)
        except (UnicodeEncodeError, OverflowError):
            # Python's msgpack cannot write it.
            assert "JSON" not in type(compare.layer._serializer).__name__
            continue
        sent.append(value)
    frames = (await compare.agree(feed=len(sent)))["feed"]
    assert [frame["data"] for frame in frames] == sent
    assert len(sent) in (5, len(VALUES))


async def test_messages_unknown_to_attendance_are_ignored(compare):
    await compare.connect("dashboard", "/ws/attendance/", ["attendance_updates"])
    await compare.send(
        "dashboard",
        {"type": "get_attendance"},
        {"type": "attendance_data", "data": {}},
        {"type": "authenticate", "token": "x"},
        {"type": 7},
        {"type": ["ping"]},
        {"no": "type"},
        {},
        "not json",
        '{"type": "ping"',
        "",
        "[]",
        "7",
        "null",
        '"ping"',
        b"\xff\xfe",
        {"type": "PING", "timestamp": 1},
    )
    await compare.send("dashboard", {"type": "ping", "timestamp": "last"})
    assert (await compare.agree(dashboard=2))["dashboard"][1] == {"type": "pong", "timestamp": "last"}


async def test_the_feeds_do_not_mix(compare):
    await compare.connect("visitors", "/ws/", ["broadcast"])
    await compare.connect("attendance", "/ws/attendance/", ["attendance_updates"])
    await compare.publish("broadcast", type="send_event", event="only", data="visitors")
    await compare.publish("attendance_updates", type="attendance_update", data="only attendance")
    frames = await compare.agree(visitors=1, attendance=2)
    assert frames["attendance"][1] == {"type": "attendance_update", "data": "only attendance"}


# S4, notifications by subscription on /ws/notifications/?token=


async def reserve(person: Person, lot: int, end: str = "2035-06-01T11:00:00Z") -> int:
    data = {"parking_lot": lot, "start_time": JUNE, "end_time": end}
    reply = await person.api.post("/api/parking/reservations/", data=data, token=person.access)
    assert reply.status == 201, reply
    return reply.json()["id"]


async def new_lot(api: Http, name: str) -> int:
    reply = await api.post("/api/parking/lots/", data={"name": name, "capacity": 40})
    assert reply.status == 201, reply
    return reply.json()["id"]


async def test_a_reservation_is_sent_to_its_owner_through_its_whole_life(compare):
    ana, ben = [await Person.register(compare.api, name) for name in ("ana", "ben")]
    for name, person in (("ana", ana), ("ben", ben)):
        await compare.connect(name, f"/ws/notifications/?token={await person.ws_token()}", person.groups)
        await compare.send(name, {"type": "subscribe", "notification_types": ["reservation"]})
    await compare.settle()
    lot = await new_lot(compare.api, "Roxas Night Market")  # sent to all, but not as a reservation
    first = await reserve(ana, lot)
    await compare.api.post(f"/api/parking/reservations/{first}/remind/", token=ana.access)
    await compare.api.post(f"/api/parking/reservations/{first}/cancel/", token=ana.access)
    await reserve(ana, lot, end="2025-06-02T00:00:00Z")
    await compare.api.post("/api/parking/reservations/expire/", token=ana.access)
    frames = await compare.agree(ana=5, ben=0)
    assert [frame["message"] for frame in frames["ana"]] == [
        "New reservation created",
        "You have an upcoming reservation",
        "Your reservation has been cancelled",
        "New reservation created",
        "Your reservation has expired",
    ]
    assert {frame["type"] for frame in frames["ana"]} == {"notification"}
    keys = ["reservation_id", "parking_lot", "start_time", "end_time", "notification_id", "created_at"]
    assert list(frames["ana"][0]) == ["type", "message", "data"] and list(frames["ana"][0]["data"]) == keys


async def notify(compare, person: Person, *types: str) -> None:
    """One notification per type, through the endpoint that publishes `send_notification` to `user_<id>`."""
    for notification_type in types:
        data = {"user": person.id, "type": notification_type, "message": notification_type, "data": {"n": 1}}
        reply = await compare.api.post("/api/parking/notifications/", data=data, token=person.access)
        assert reply.status == 201, reply


async def test_nothing_is_delivered_before_the_first_subscribe(compare):
    ana = await Person.register(compare.api, "ana")
    path = f"/ws/notifications/?token={await ana.ws_token()}"
    await compare.connect("listens", path, ana.groups)
    await compare.send("listens", {"type": "subscribe", "notification_types": ["offer"]})
    await compare.settle()
    await compare.connect("silent", path, [])
    await notify(compare, ana, "offer", "reservation")
    await compare.settle()
    assert [len(client.frames) for client in compare.clients["silent"].values()] == [0] * len(compare.targets)
    # From its first subscription on it gets the subscribed events, and nothing from before.
    compare.groups["silent"] = set(ana.groups)
    await compare.send("silent", {"type": "subscribe", "notification_types": ["offer"]})
    await compare.settle()
    await notify(compare, ana, "offer")
    frames = await compare.agree(listens=2, silent=1)
    assert frames["silent"] == frames["listens"][1:]


async def test_a_subscribed_name_matches_whole_words_of_a_type(compare):
    ana = await Person.register(compare.api, "ana")
    await compare.connect("ana", f"/ws/notifications/?token={await ana.ws_token()}", ana.groups)
    await compare.send("ana", {"type": "subscribe", "notification_types": ["reservation", "parking_lot"]})
    await compare.settle()
    told = ["reservation", "new_reservation", "reservation_expired", "a_reservation_b", "parking_lot"]
    told += ["new_parking_lot", "parking_lot_full", "x_parking_lot_y"]
    untold = ["reservations", "prereservation", "reservation-x", "parking", "lot", "parking_lots", "parking_a_lot"]
    untold += ["payment", "Reservation", "parkinglot"]
    for pair in zip(untold, [*told, *told], strict=False):
        await notify(compare, ana, *pair)
    for rest in told:
        await notify(compare, ana, rest)
    frames = (await compare.agree(ana=18))["ana"]
    assert {frame["message"] for frame in frames} == set(told)


async def test_subscriptions_add_up(compare):
    ana = await Person.register(compare.api, "ana")
    await compare.connect("ana", f"/ws/notifications/?token={await ana.ws_token()}", ana.groups)
    got = []
    for name in ("offer", "payment", "offer"):
        await compare.send("ana", {"type": "subscribe", "notification_types": [name]})
        await compare.settle()
        await notify(compare, ana, "offer", "payment", "reservation")
        got.append([frame["message"] for frame in (await compare.agree())["ana"]])
    assert got[-1] == ["offer", "offer", "payment", "offer", "payment"]


async def test_both_group_names_and_every_event_type_reach_the_user(compare):
    ana = await Person.register(compare.api, "ana")
    await compare.connect("ana", f"/ws/notifications/?token={await ana.ws_token()}", ana.groups)
    await compare.send("ana", {"type": "subscribe", "notification_types": ["reservation", "lot", "plain"]})
    await compare.settle()
    kinds = ["new_reservation", "reservation_expired", "reservation_cancelled", "upcoming_reservation"]
    for group in ana.groups:
        for kind in kinds:
            await compare.publish(group, type=kind, message=kind, data={"group": group})
        await compare.publish(
            group, type="send_notification", notification_type="plain", message="plain", data=[group, 1.5, None]
        )
        await compare.settle()  # order is promised within a group
    frames = (await compare.agree(ana=15))["ana"]
    assert [frame["message"] for frame in frames] == [*kinds, "plain"] * 3


async def test_malformed_subscribes_are_ignored_silently(compare):
    ana = await Person.register(compare.api, "ana")
    await compare.connect("ana", f"/ws/notifications/?token={await ana.ws_token()}", ana.groups)
    await compare.send(
        "ana",
        "not json",
        "",
        "[]",
        "null",
        "7",
        b"\x01\x02",
        {"type": "subscribe"},
        {"type": "subscribe", "notification_types": None},
        {"type": "subscribe", "notification_types": "offer"},
        {"type": "subscribe", "notification_types": {"offer": True}},
        {"type": "subscribe", "notification_types": []},
        {"type": "subscribe", "notification_types": [1, None, ["offer"], {"a": 1}, "offer"]},
        {"notification_types": ["offer"]},
        {"type": "unknown", "notification_types": ["offer"]},
        {"type": "subscribe", "notification_types": ["payment"]},
    )
    await compare.settle()
    await notify(compare, ana, "offer", "payment", "1", "None")
    assert [frame["message"] for frame in (await compare.agree(ana=1))["ana"]] == ["payment"]


# Tokens and refusals


def signed(claims: dict, key: str = stack.SECRET_KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


async def test_only_a_live_ws_token_opens_notifications(compare):
    ana = await Person.register(compare.api, "ana")
    old = await ana.ws_token()
    claims = jwt.decode(old, stack.SECRET_KEY, algorithms=["HS256"])
    head, body, signature = old.split(".")
    later = int(time.time()) + 900
    refused = {
        "missing": "",
        "empty": "?token=",
        "another name": f"?ws_token={old}",
        "noise": "?token=noise",
        "tampered body": f"?token={head}.{body[:-2]}AA.{signature}",
        "tampered signature": f"?token={head}.{body}.{signature[:-4]}AAAA",
        "expired": f"?token={signed({**claims, 'exp': int(time.time()) - 5})}",
        "the bug of the first generation": f"?token={signed({**claims, 'exp': 1800})}",
        "without exp": f"?token={signed({key: claims[key] for key in ('user_id', 'type')})}",
        "another key": f"?token={signed(claims, 'another secret of enough length for HS256')}",
        "another algorithm": f"?token={signed(claims, algorithm='HS384')}",
        "no algorithm": f"?token={jwt.encode(claims, None, algorithm='none')}",
        "another type": f"?token={signed({**claims, 'type': 'access', 'exp': later})}",
        "the access token": f"?token={ana.access}",
        "the refresh token": f"?token={ana.refresh}",
        "valid but never cached": f"?token={signed({**claims, 'exp': later})}",
        "of a user who has none": f"?token={signed({**claims, 'user_id': 987654, 'exp': later})}",
    }
    for what, query in refused.items():
        try:
            await compare.refused(f"/ws/notifications/{query}")
        except AssertionError as error:
            raise AssertionError(what) from error
    await compare.connect("ana", f"/ws/notifications/?token={old}", ana.groups)
    await compare.connect("again", f"/ws/notifications/?x=1&token={old}", ana.groups)  # good until it expires
    await compare.agree(ana=0, again=0)
    # A later token has another second in it; it replaces the older one.
    await asyncio.sleep(1.1)
    new = await ana.ws_token()
    assert new != old
    await compare.refused(f"/ws/notifications/?token={old}")
    await compare.connect("new", f"/ws/notifications/?token={new}", ana.groups)
    await compare.agree(ana=0, again=0, new=0)  # and the sockets opened with the older one stay


async def test_a_token_from_either_endpoint_opens_either_server(compare):
    ana = await Person.register(compare.api, "ana")
    for issuer in compare.targets.values():
        token = await ana.ws_token(Http(issuer))
        await compare.connect("ana", f"/ws/notifications/?token={token}", ana.groups)
        await compare.agree(ana=0)
        await compare.close("ana")


async def test_the_token_endpoints_answer_alike(compare):
    ana = await Person.register(compare.api, "ana")
    head, body, signature = ana.access.split(".")
    claims = jwt.decode(ana.access, stack.SECRET_KEY, algorithms=["HS256"])
    bearers = {
        "none": {},
        "no scheme": {"Authorization": ana.access},
        "another scheme": {"Authorization": f"Token {ana.access}"},
        "tampered": {"Authorization": f"Bearer {head}.{body}.{signature[:-4]}AAAA"},
        "expired": {"Authorization": f"Bearer {signed({**claims, 'exp': int(time.time()) - 5})}"},
        "refresh": {"Authorization": f"Bearer {ana.refresh}"},
        "noise": {"Authorization": "Bearer noise"},
    }
    for what, headers in bearers.items():
        replies = [await Http(port).get("/api/user/ws-token/", headers=headers) for port in compare.targets.values()]
        assert {reply.status for reply in replies} == {401}, what
        assert all(isinstance(reply.json()["detail"], str) for reply in replies), what
        assert all(reply.headers["www-authenticate"].startswith("Bearer") for reply in replies), what
    for port in compare.targets.values():
        reply = await Http(port).get("/api/user/ws-token/", token=ana.access)
        assert reply.status == 200 and reply.headers["content-type"].startswith("application/json")
        assert set(reply.json()) == {"ws_token", "expires_in"} and reply.json()["expires_in"] == 1800
        payload = jwt.decode(reply.json()["ws_token"], stack.SECRET_KEY, algorithms=["HS256"])
        assert payload["type"] == "ws_token" and str(payload["user_id"]) == str(ana.id)
        assert 1700 < payload["exp"] - time.time() <= 1801


async def test_origins_follow_the_rules_of_allowed_hosts(compare):
    for origin in ("http://evil.example", "null", "https://127.0.0.1.evil.example", None):
        await compare.refused("/ws/", origin=origin)
        await compare.refused("/ws/attendance/", origin=origin)
    for number, origin in enumerate(("http://127.0.0.1:1", "https://LOCALHOST", "chrome-extension://localhost")):
        await compare.connect(f"client {number}", "/ws/", ["broadcast"], origin=origin)
    await compare.publish("broadcast", type="send_event", event="to", data="all")
    await compare.agree(**{f"client {number}": 1 for number in range(3)})


async def test_one_path_serves_many_users_at_once(compare):
    people = [await Person.register(compare.api, f"user{number}") for number in range(5)]
    for person in people:
        await compare.connect(str(person.id), f"/ws/notifications/?token={await person.ws_token()}", person.groups)
        await compare.send(str(person.id), {"type": "subscribe", "notification_types": ["offer"]})
    await compare.settle()
    await asyncio.gather(*(notify(compare, person, *["offer"] * 4) for person in people))
    frames = await compare.agree(**{str(person.id): 4 for person in people})
    ids = {json.dumps(frame["data"]["notification_id"]) for told in frames.values() for frame in told}
    assert len(ids) == 20
