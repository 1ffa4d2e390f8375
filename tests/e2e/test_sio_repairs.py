"""The repair shop: its rooms and who may join them, typing, presence in a work order, and Django's events."""

import uuid

import pytest
from rig.shop import joined, pair_in, stranger, user_ids
from rig.times import timed

#: Rooms that no client may join on request.
FORBIDDEN = [
    "admin_room",
    "role_admin",
    "role_user",
    "user_{victim}",
    "namespace.main",
    "session:1",
    "general_attendance",
    "work_order_",
    "work_order_x",
    "work_order_1x",
    "work_order_-1",
    "work_order_1 ",
    "xwork_order_1",
    "work_order_1\n",
    "ticket_1.5",
    "",
    "x" * 300,
    7,
    None,
    {"roomName": "admin_room"},
    ["work_order_1"],
]


async def test_typing_is_shown_to_the_others_under_the_name_of_the_token(gate, clients):
    room = f"work_order_{uuid.uuid4().int % 10**9}"
    one, two, person, _ = await pair_in(gate, clients, room)
    lie = {"roomName": room, "message": "Replacing the…", "userId": 1, "userName": "Somebody else"}
    await one.emit("typing_start", lie)
    identity = {"userId": person.id, "userName": person.name}
    assert await two.data("user_typing_start") == {**identity, "message": "Replacing the…"}
    stops = len(two.all("user_typing_stop"))
    await one.emit("typing_stop", lie)
    assert await two.data("user_typing_stop", stops + 1) == identity
    assert one.names("user_typing_start") == []


async def test_presence_in_a_work_order_is_shown_to_the_others(gate, clients):
    number = uuid.uuid4().int % 10**9
    one, two, person, _ = await pair_in(gate, clients, f"work_order_{number}")
    await one.emit("user_presence", {"status": "viewing", "workOrderId": number, "userId": 1, "userName": "x"})
    expected = {"userId": person.id, "userName": person.name, "status": "viewing", "workOrderId": number}
    assert timed(await two.data("user_presence_update")) == expected
    assert one.names("user_presence_update") == []


async def test_a_room_is_left_again(gate, clients):
    room = f"ticket_{uuid.uuid4().int % 10**9}"
    one, two, *_ = await pair_in(gate, clients, room)
    await one.emit("leave_room", room)
    await one.emit("join_room", room + "0")
    await two.emit("join_room", room + "0")
    await joined(one, two, room + "0")
    await joined(two, one, room + "0")
    # The leave came before that join, so it is done.
    await two.emit("typing_start", {"roomName": room, "message": "in the room that was left"})
    await two.emit("typing_start", {"roomName": room + "0", "message": "in the other"})
    await one.args("user_typing_start")
    assert [args[0]["message"] for args in one.all("user_typing_start")] == ["in the other"]


async def test_reserved_rooms_are_neither_joined_nor_written_to(gate, clients):
    victim, thief = stranger("admin"), stranger()
    room = f"work_order_{uuid.uuid4().int % 10**9}"
    watched = await clients.open(gate.port, victim, kind="js-websocket")
    await watched.emit("join_room", room)
    client = await clients.open(gate.port, thief)
    for name in FORBIDDEN:
        name = name.format(victim=victim.id) if isinstance(name, str) else name
        await client.emit("join_room", name)
        await client.emit("typing_start", {"roomName": name, "message": "from outside"})
    await client.emit("join_room", room)
    await joined(client, watched, room)
    # A person comes, which admins learn of, and the victim is notified; only then is the thief.
    newcomer = stranger()
    await clients.open(gate.port, newcomer, kind="js-websocket")
    await watched.wait(
        lambda: newcomer.id in user_ids(watched, "user_activity_update"), "the newcomer in the admins' room"
    )
    async with gate.publisher() as layer:
        for person in (victim, thief):
            for group in (f"user_{person.id}", f"role_{person.role}"):
                await layer.group_send(group, {"type": "notification_received", "notification": group, "timestamp": 1})
    await watched.args("notification_received", 2)
    await client.args("notification_received", 2)
    own = {f"user_{thief.id}", f"role_{thief.role}"}
    assert {args[0]["notification"] for args in client.all("notification_received")} == own
    assert "user_activity_update" not in client.names("user_activity_update")
    assert watched.names("user_typing_start") == []


@pytest.mark.parametrize("role", ["admin", "manager"])
async def test_only_admins_and_managers_see_arrivals(gate, sockets, role):
    staff, other = await sockets.open(gate.port, stranger(role)), await sockets.open(gate.port, stranger())
    newcomer = stranger()
    await sockets.open(gate.port, newcomer)
    await staff.wait(lambda: newcomer.id in user_ids(staff, "user_activity_update"), "the newcomer")
    (activity,) = [args[0] for args in staff.all("user_activity_update") if args[0]["userId"] == newcomer.id]
    identity = {"userId": newcomer.id, "userName": newcomer.name, "userRole": newcomer.role}
    assert timed(activity) == {**identity, "status": "online"}
    assert other.names("user_activity_update") == []


async def test_django_notifies_a_work_orders_room_and_its_technician_in_order(gate, clients):
    demo = gate.demo
    ada, tom, ann = (demo.person(name) for name in ("ada", "tom", "ann"))
    order = await demo.make("repairs/work-orders", by=ada, customer_name="Chen", device="Phone")
    room = f"work_order_{order['id']}"
    viewer, helper = await clients.open(gate.port, ann), await clients.open(gate.port, stranger(), kind="js-websocket")
    technician = await clients.open(gate.port, tom)
    for client in (viewer, helper):
        await client.emit("join_room", room)
    await joined(viewer, helper, room)
    seen = len(technician.all("work_order_assignment_update"))
    change = {"customer_name": "Chen", "device": "Tablet", "status": "in_progress", "technician": tom.id}
    await demo.replace("repairs/work-orders", order["id"], by=ada, **change)
    await viewer.args("work_order_updated", 3)
    updates = [timed(args[0]) for args in viewer.all("work_order_updated")]
    assert [(update["action"], update["data"]) for update in updates] == [
        ("status_changed", {"oldStatus": "pending", "newStatus": "in_progress", "updatedBy": ada.id}),
        ("assigned", {"technicianId": tom.id, "assignedBy": ada.id}),
        ("updated", {"updatedFields": ["device"], "updatedBy": ada.id}),
    ]
    for update in updates:
        # A number, unchanged: browsers compare it with ===.
        assert update["workOrderId"] == order["id"] and isinstance(update["workOrderId"], int)
        row = update["workOrder"]
        assert (row["technician_name"], row["customer_name"]) == ("Tom Technician", "Chen")
    await technician.args("work_order_assignment_update", seen + 3)
    assigned = [timed(args[0]) for args in technician.all("work_order_assignment_update")][seen:]
    assert assigned == [{key: value for key, value in update.items() if key != "data"} for update in updates]
    assert viewer.names("work_order_assignment_update") == technician.names("work_order_updated") == []


async def test_django_notifies_a_tickets_room(gate, clients):
    ada = gate.demo.person("ada")
    ticket = await gate.demo.make("repairs/tickets", by=ada, title="No sound")
    one, two, *_ = await pair_in(gate, clients, f"ticket_{ticket['id']}")
    await gate.demo.change("repairs/tickets", ticket["id"], by=ada, status="closed")
    for client in (one, two):
        update = timed(await client.data("repair_ticket_updated"))
        assert update["ticketId"] == ticket["id"] and update["ticket"]["status"] == "closed"
        assert update["action"] == "status_changed"
        assert update["data"] == {"oldStatus": "open", "newStatus": "closed", "updatedBy": ada.id}


async def test_a_notification_reaches_only_the_tabs_of_its_user(gate, clients):
    ben = gate.demo.person("ben")
    tabs = [await clients.open(gate.port, ben), await clients.open(gate.port, ben, kind="js-websocket")]
    other = await clients.open(gate.port, gate.demo.person("cem"))
    note = {"user": ben.id, "title": "Ready", "message": "Your phone is ready"}
    row = await gate.demo.make("repairs/notifications", by=ben, **note)
    after = await gate.demo.make("repairs/notifications", by=ben, **{**note, "user": gate.demo.person("cem").id})
    for tab in tabs:
        received = timed(await tab.data("notification_received"))["notification"]
        assert (received["id"], received["title"], received["read"]) == (row["id"], "Ready", False)
        assert timed(await tab.data("notification_count_updated")) == {"userId": ben.id}
        assert tab.names("notification_received", "notification_count_updated") == [
            "notification_received",
            "notification_count_updated",
        ]
    assert (await other.data("notification_received"))["notification"]["id"] == after["id"]
    assert len(other.all("notification_received")) == 1
