"""Every frame of the five systems, in both directions, matches its JSON Schema in clients/schemas.

Each test causes every event of one system through the real demo project and a real node, checks every frame with the
schema of its event, and then checks that the schemas reject the same frames with faults.
"""

import fnmatch
import json
import re
import time
import tomllib

import pytest
import redis.asyncio as redis
import stack
from jsonschema import Draft202012Validator
from rig.client import Client, until
from rig.http import Http
from rig.schemas import Frames, accepts, schemas, systems
from rig.shop import joined

JUNE = "2026-06-01T09:00:00Z"
PNG = ("a.png", b"png")
SOCKET_IO = ("dashboard", "tracker", "repair-shop")


class Site:
    """The demo project, a node for the plain systems, and a node for each system of Socket.IO."""

    def __init__(self, system, database):
        self.system = system
        # Each node's connections to Redis have its name.
        named = f"{system.redis_url}?client_name="
        system.start_gate(1, database, REDIS_URL=f"{named}plain")
        self.nodes = {name: system.nodes[0] for name in systems()}
        for name in SOCKET_IO:
            config = f'presets = ["{name}"]\n'
            self.nodes[name] = system.start_node(wait=False, config=config, REDIS_URL=f"{named}{name}")
        system.wait()
        self.demo, self.web = system.demo, Http(system.django.port)

    async def post(self, path: str, by=None, **data) -> dict:
        reply = await self.web.post(f"/api/{path}/", data=data, token=by.token if by else None)
        assert reply.status in (200, 201, 204), reply
        return reply.json() if reply.body else {}

    async def upload(self, path: str, **form) -> dict:
        reply = await self.web.post(f"/api/{path}/", form=form, files={"image": PNG})
        assert reply.status == 201, reply
        return reply.json()


@pytest.fixture(scope="module")
def site(module_system, database):
    return Site(module_system, database)


class Scene:
    """One system's clients; their frames are checked at the end."""

    def __init__(self, site: Site, name: str, sockets):
        self.site, self.name, self.sockets = site, name, sockets
        self.node = site.nodes[name].wait()
        self.frames = Frames(name)
        self.clients = []
        self.refused = self._refused()
        #: Messages that the node must refuse.
        self.wrong = 0

    async def socket(self, person=None):
        auth = {"cg": 1, **({"token": person.token} if person else {})}
        socket = await (await self.sockets.start(self.node.port, auth=auth)).opened()
        self.clients.append(socket)
        await socket.args("hello")
        return socket

    async def plain(self, path: str, **query: str):
        query = "&".join(f"{key}={value}" for key, value in {"cg": "1", **query}.items())
        client = await Client.open(self.node.port, f"{path}?{query}")
        self.clients.append(client)
        return client

    async def emit(self, socket, *frame) -> None:
        """Sends an event that its schema accepts."""
        await socket.emit(*self.frames.sent(list(frame)))

    async def emit_wrong(self, socket, *frame) -> None:
        """Sends an event that its schema rejects, as the node does."""
        assert not accepts(f"{self.name}/to-server/{frame[0]}.json", list(frame)), frame
        self.wrong += 1
        await socket.emit(*frame)

    async def send(self, client, frame) -> None:
        await client.send(self.frames.sent(frame))

    async def samples(self, **groups: str) -> None:
        """Publishes the samples of the preset, each to a group that a client is in."""
        consumers = tomllib.loads((stack.ROOT / "presets" / f"{self.name}.toml").read_text())["consumer"]
        samples = {name: sample["event"] for one in consumers for name, sample in one.get("samples", {}).items()}
        assert samples.keys() == groups.keys()
        async with self.site.system.publisher() as layer:
            for name, event in samples.items():
                await layer.group_send(groups[name], event)

    async def gap(self, client) -> None:
        """Breaks the node's connections to Redis: clients that asked for it get a notice."""
        async with redis.Redis.from_url(self.site.system.redis_url) as connection:
            for one in await connection.client_list(_type="pubsub"):
                if one["name"] == (self.name if self.name in SOCKET_IO else "plain"):
                    await connection.client_kill_filter(_id=one["id"])
        if hasattr(client, "events"):
            await client.args("gap")
        else:
            await client.wait(lambda client: '"gap"' in "".join(client.frames), "the gap")

    async def end(self, *freedom: str) -> None:
        """Every schema was used, and rejects every fault but those in which systems are free, as patterns."""
        await until(self.has_refused, "the node to refuse the wrong messages, and no other")
        self.frames.of_clients(*self.clients)
        assert self.frames.unused() == []
        accepted = self.frames.accepted_faults()
        matched = {pattern: set(fnmatch.filter(accepted, pattern)) for pattern in freedom}
        assert accepted - set().union(*matched.values()) == set(), "faults that no schema notices"
        assert all(matched.values()), f"freedoms that the schemas do not leave: {matched}"
        for client in self.clients:
            if isinstance(client, Client):
                await client.close()

    def has_refused(self) -> bool:
        """Whether the node has refused all that it must."""
        return self._refused() - self.refused == self.wrong

    def _refused(self) -> int:
        return int(self.site.system.metric(self.node, "channelgate_refused_messages_total"))


@pytest.fixture
def scene(request, site, sockets):
    return Scene(site, request.param, sockets)


def of(system: str):
    return pytest.mark.parametrize("scene", [system], indirect=True)


@of("feed")
async def test_every_event_of_the_feed_matches_its_schema(scene):
    site = scene.site
    client = await scene.plain("/ws/")
    form = {"first_seen": JUNE, "last_seen": JUNE, "gender": "female", "age": 31}
    visitor = (await site.upload("clients", **form))["id"]
    await site.demo.change("clients", visitor, age=32)
    visit = (await site.post("visits", client=visitor, datetime=JUNE, device_id=7))["id"]
    await site.demo.change("visits", visit, device_id=8)
    # This update lists the visit.
    await site.demo.change("clients", visitor, age=33)
    await site.demo.delete("visits", visit)
    await site.demo.delete("clients", visitor)
    unique = str(time.monotonic_ns())
    person = {"first_name": "Ayşe", "last_name": "Öz", "email": f"{unique}@example.org", "phone_number": unique[-12:]}
    employee = (await site.upload("employees", **person))["id"]
    await site.demo.change("employees", employee, last_name="Ünsal")
    seen = {"employee": employee, "device_id": 3, "datetime": JUNE, "score": 0.5}
    attendance = (await site.upload("employee-attendances", **seen))["id"]
    await site.demo.delete("employee-attendances", attendance)
    await site.demo.delete("employees", employee)
    await scene.samples(client_create="broadcast", employee_attendance="broadcast")
    await client.wait(lambda client: client.frames[-1].startswith('{"event":"employee_attendance"'), "the last sample")
    await scene.send(client, "ping")
    await client.wait(lambda client: "pong" in client.frames, "the pong")
    await scene.gap(client)
    await scene.end()


@of("attendance")
async def test_every_event_of_the_deployed_dashboard_matches_its_schema(scene):
    client = await scene.plain("/ws/attendance/")
    record = {"user_name": "José", "employee_id": "E-7", "office": "Davao", "date": "2026-06-01", "check_in_time": JUNE}
    key = (await scene.site.post("attendance", **record))["id"]
    await scene.site.demo.change("attendance", key, check_out_time=JUNE, status="late", device="Gate 2")
    await scene.site.demo.delete("attendance", key)
    for frame in ({"type": "ping", "timestamp": 1748768400000}, {"type": "ping"}, "ping"):
        await scene.send(client, frame)
    await client.wait(lambda client: "pong" in client.frames, "the pong")
    await client.wait(lambda client: "deleted" in "".join(client.frames), "the deletion")
    await scene.samples(check_in="attendance_updates")
    await client.wait(lambda client: "EMP014" in client.frames[-1], "the sample")
    await scene.gap(client)
    await scene.end("ping: missing timestamp")


@of("parking")
async def test_every_event_of_parking_matches_its_schema(scene):
    site = scene.site
    ann = site.demo.person("ann")
    reply = await site.web.get("/api/user/ws-token/", token=ann.token)
    client = await scene.plain("/ws/notifications/", token=reply.json()["ws_token"])
    await scene.send(client, {"type": "subscribe", "notification_types": ["reservation", "parking_lot", "offer"]})
    # Messages are handled in order, so with this answer it has subscribed.
    await scene.send(client, "ping")
    await client.wait(lambda client: "pong" in client.frames, "the pong")
    lot = (await site.post("parking/lots", name="Roxas Night Market", capacity=40))["id"]
    # Each one that begins or ends is also an event about its lot.
    reservation = {"parking_lot": lot, "start_time": JUNE, "end_time": "2036-06-01T11:00:00Z"}
    first = (await site.post("parking/reservations", by=ann, **reservation))["id"]
    await site.post(f"parking/reservations/{first}/remind", by=ann)
    await site.post(f"parking/reservations/{first}/cancel", by=ann)
    await site.post("parking/reservations", by=ann, **{**reservation, "end_time": "2026-06-02T00:00:00Z"})
    await site.post("parking/reservations/expire", by=ann)
    await site.post("parking/notifications", by=ann, user=ann.id, type="offer", message="An offer", data={"n": 1})
    async with site.system.publisher() as layer:
        # Data may be left out, and so may the message.
        await layer.group_send(f"user_{ann.id}", {"type": "offer", "message": "Without data"})
        await layer.group_send(f"user_{ann.id}", {"type": "offer", "data": {"n": 2}})
    await scene.samples(new_reservation="notifications", parking_lot=f"user_{ann.id}_notifications")
    # Groups have no order among each other.
    await client.wait(lambda client: "SM Lanang" in "".join(client.frames), "a sample")
    await client.wait(lambda client: "Abreeza Mall" in "".join(client.frames), "the other")
    await client.wait(lambda client: "".join(client.frames).count('"type":"notification"') >= 15, "those of its user")
    assert (
        len(
            [
                frame
                for frame in map(json.loads, filter("pong".__ne__, client.frames))
                if frame["type"] == "notification"
            ]
        )
        == 15
    )
    await scene.gap(client)
    # What Django sends with a notification is between it and the page. A client that does not ask gets no topic.
    await scene.end("notification: * data.*", "notification: one more at data", "notification: missing topic")


@of("dashboard")
async def test_every_event_of_the_dashboard_matches_its_schema(scene):
    site = scene.site
    socket = await scene.socket(site.demo.person("ann"))
    # An employee's id as text, as a number and in an object.
    employees = [time.monotonic_ns() % 10**9 + number for number in range(3)]
    spelled = [str(employees[0]), employees[1], {"employee_id": str(employees[2])}]
    for name in spelled:
        await scene.emit(socket, "join_attendance_room", name)
    await scene.emit(socket, "join_general_attendance")

    async def check_in(employee: int) -> dict:
        record = {"user_name": "Meera Joshi", "employee_id": str(employee), "office": "Thane", "date": "2026-03-02"}
        return await site.post("attendance", device="Front desk", **record)

    async def heard(event: str, employee: int, count: int = 1) -> bool:
        """Joining is not answered, so employees check in until the client hears of it."""
        await check_in(employee)
        return len([1 for args in socket.all(event) if args[0]["employee_id"] == str(employee)]) >= count

    for employee in employees:
        await until(lambda employee=employee: heard("attendance_update", employee), "the employee's update")
    await until(lambda: heard("general_attendance_update", employees[0]), "the general update")
    row = await check_in(employees[0])
    await site.demo.delete("attendance", row["id"])
    await socket.wait(lambda: [1 for args in socket.all("attendance_update") if not args[0]["date"]], "the deletion")
    async with site.system.publisher() as layer:
        # Without an employee, and with a field that this Django does not have.
        data = {"user_name": "Somebody", "isLate": True}
        await layer.group_send("attendance_updates", {"type": "attendance_update", "data": data})
    await socket.wait(lambda: [1 for args in socket.all("general_attendance_update") if args[0]["isLate"]], "isLate")
    await scene.samples(check_in="attendance_updates")
    await socket.wait(
        lambda: [1 for args in socket.all("general_attendance_update") if args[0]["employee_id"] == "EMP014"],
        "the sample",
    )
    for name in spelled:
        await scene.emit(socket, "leave_attendance_room", name)
    await scene.emit(socket, "leave_general_attendance")
    await scene.gap(socket)
    await scene.end()


@of("tracker")
async def test_every_event_of_the_tracker_matches_its_schema(scene):
    site = scene.site
    ann, ben, ada = [await scene.socket(site.demo.person(name)) for name in ("ann", "ben", "ada")]
    session, closed = await site.demo.session(), await site.demo.session("completed")

    async def joined_by(socket) -> None:
        """A client whose question after the join was answered has joined."""
        await scene.emit(socket, "joinSession", session)
        before = len(socket.all("attendanceStats"))
        await scene.emit(socket, "getAttendanceStats", str(session))
        await socket.args("attendanceStats", before + 1)

    await joined_by(ann)
    await joined_by(ben)
    await ann.args("userJoined")
    await scene.emit(ben, "leaveSession", str(session))
    await ann.args("userLeft")
    await scene.emit(ben, "markAttendance", {"sessionId": session, "location": {"latitude": 7.07, "longitude": 125.6}})
    await scene.emit(ada, "markAttendance", {"sessionId": str(session), "location": None})
    await ann.args("attendanceUpdate", 2)
    await scene.emit(ann, "getAttendanceStats", session)
    await ann.args("attendanceStats", 2)
    await scene.emit(ada, "sessionUpdate", {"sessionId": session, "title": "Later"})
    await ann.args("sessionUpdated")
    numbers = {"sessionId": session, "totalAttendees": 12, "capacity": 30, "percentageFilled": "40.0"}
    await site.demo.announce(session, "session-stats-update", numbers, site.demo.person("ada"))
    await scene.samples(stats=f"session.{session}")
    await ann.args("session-stats-update", 2)
    await scene.emit(ann, "ping")
    await ann.args("pong")
    # Everything that goes wrong.
    await scene.emit(ann, "markAttendance", {"sessionId": closed})
    scene.wrong += 1
    await scene.emit(ann, "sessionUpdate", {"sessionId": session})
    await scene.emit_wrong(ann, "joinSession", {"id": session})
    await scene.emit_wrong(ann, "markAttendance", session)
    await scene.emit_wrong(ann, "getAttendanceStats")
    await scene.emit_wrong(ada, "sessionUpdate", session)
    await ann.args("error", 5)
    assert {*(args[0]["message"] for args in ann.all("error")), (await ada.data("error"))["message"]} == set(
        schemas()["tracker/to-client/error.json"]["prefixItems"][1]["properties"]["message"]["enum"]
    )
    await scene.gap(ann)
    await scene.end(
        # The record is the backend's, and a session has fields of its own.
        "attendanceMarked: one more at 1.attendance*",
        "markAttendance: missing 1.location",
        "markAttendance: one more at 1.location",
        "sessionUpdate*: * 1.title",
        "sessionUpdate*: one more at 1",
    )


@of("repair-shop")
async def test_every_event_of_the_repair_shop_matches_its_schema(scene):
    site = scene.site
    people = {name: site.demo.person(name) for name in ("ada", "tom", "tia")}
    ada, tom = await scene.socket(people["ada"]), await scene.socket(people["tom"])
    tia = await scene.socket(people["tia"])
    await tom.args("user_online")
    order = await site.post("repairs/work-orders", by=people["ada"], customer_name="Chen", device="A phone")
    ticket = await site.post("repairs/tickets", by=people["ada"], title="It does not ring")
    room, ticket_room = f"work_order_{order['id']}", f"ticket_{ticket['id']}"
    for name in (room, ticket_room):
        for socket, other in ((tom, tia), (tia, tom)):
            await scene.emit(socket, "join_room", name)
            await joined(socket, other, name)
    await scene.emit(tia, "typing_start", {"roomName": room, "message": "Replacing the"})
    await scene.emit(tia, "typing_start", {"roomName": ticket_room})
    await scene.emit(tia, "typing_stop", {"roomName": room})
    await scene.emit(tia, "user_presence", {"status": "viewing", "workOrderId": order["id"]})
    await scene.emit(tia, "user_presence", {"workOrderId": str(order["id"])})
    await scene.emit(tia, "heartbeat")
    await tom.args("user_presence_update", 2)
    for change in ({"status": "in_progress"}, {"technician": people["tom"].id}, {"description": "A new screen"}):
        await site.demo.change("repairs/work-orders", order["id"], by=people["ada"], **change)
    await tom.args("work_order_updated", 3)
    await tom.args("work_order_assignment_update", 2)
    for change in ({"status": "closed"}, {"title": "It rings"}):
        await site.demo.change("repairs/tickets", ticket["id"], by=people["ada"], **change)
    # The deployed server has two names for this event; the demo project sends one of them.
    async with site.system.publisher() as layer:
        for number in (1, 2):
            update = await tom.data("repair_ticket_updated", number)
            await layer.group_send(f"ticket_{ticket['id']}", {"type": "repair_ticket_update", **update})
    await tom.args("repair_ticket_update", 2)
    notification = {"user": people["tom"].id, "title": "Ready", "message": "The phone is ready"}
    made = await site.post("repairs/notifications", by=people["ada"], **notification)
    await site.demo.change("repairs/notifications", made["id"], by=people["ada"], read=True)
    await tom.args("notification_received")
    await tom.args("notification_count_updated", 2)
    await scene.samples(notification=f"user_{people['tom'].id}", work_order=room)
    await tom.args("notification_received", 2)
    await tom.args("work_order_updated", 4)
    for name in (room, ticket_room):
        await scene.emit(tia, "leave_room", name)
    await scene.emit_wrong(tia, "join_room", "admin_room")
    await scene.emit_wrong(tia, "typing_start", {"roomName": "role_admin"})
    await until(lambda: scene.has_refused(), "both to be refused")
    await scene.sockets.close(tia)
    await tom.args("user_offline")
    statuses = lambda: {args[0]["status"] for args in ada.all("user_activity_update")}  # noqa: E731
    await ada.wait(lambda: statuses() == {"online", "offline"}, "all that admins hear")
    await scene.gap(tom)
    own = ("customer_name", "device", "description", "technician_id", "technician_name", "updated_at")
    await scene.end(
        "typing_start: missing 1.message",
        "user_presence: missing 1.status",
        # The rows are the project's.
        "*: one more at 1.workOrder",
        "*: one more at 1.ticket",
        "*: one more at 1.notification",
        "*: missing 1.ticket.updated_at",
        "*: missing 1.notification.created_at",
        *(f"*: missing 1.workOrder.{field}" for field in own),
    )


async def test_every_schema_is_a_valid_one_and_says_whether_objects_have_more_fields():
    for name, schema in schemas().items():
        Draft202012Validator.check_schema(schema)
        for part in parts(schema):
            if part.get("type") == "object":
                assert isinstance(part.get("additionalProperties"), bool), (name, part)


def test_the_vectors_for_other_clients_match_the_schemas():
    vectors = json.loads((stack.ROOT / "clients" / "vectors" / "frames.json").read_text())
    frames = {name: Frames(name) for name in systems()}
    for vector in vectors:
        wire = vector["wire"]
        frame = wire if wire in ("ping", "pong") else json.loads(wire.removeprefix("42"))
        (frames[vector["system"]].sent if vector["direction"] == "to-server" else frames[vector["system"]].received)(
            frame
        )
    assert [name for one in frames.values() for name in one.unused()] == []


async def test_the_reasons_of_a_gap_are_those_of_the_manual():
    manual = (stack.ROOT / "docs" / "METRICS.md").read_text().partition("### Gaps")[2].partition("###")[0]
    reasons = schemas()["shared.json"]["$defs"]["GapReason"]["enum"]
    assert reasons == re.findall(r"^\| `(\w+)` \|", manual, re.MULTILINE)


def parts(schema):
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(inner)
