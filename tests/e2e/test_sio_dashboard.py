"""The manager's dashboard: one Django event, for the employee's room and for the general one."""

import itertools
import uuid

import pytest

FIELDS = ("employee_id", "employee_name", "status", "date", "timestamp", "device", "isLate")
#: The ways in which clients name an employee.
SPELLINGS = {"text": str, "number": int, "object": lambda key: {"employee_id": str(key)}}


def new_employee() -> int:
    return uuid.uuid4().int % 10**9


async def check_in(gate, employee: int, **row) -> dict:
    """An employee arrives, and Django publishes it."""
    row = {"user_name": "Meera Joshi", "employee_id": str(employee), "office": "Thane", "date": "2026-03-02", **row}
    return await gate.demo.make("attendance", **row)


def documented(row: dict) -> dict:
    values = (row["employee_id"], row["user_name"], row["status"], row["date"], row["updated_at"], row["device"], None)
    return dict(zip(FIELDS, values, strict=True))


def same(data: dict, row: dict) -> bool:
    """Equal, except for the format of the time: the serializer ends it with Z, the signal with +00:00."""
    spelled = {**data, "timestamp": data["timestamp"].replace("+00:00", "Z")}
    return spelled == documented(row)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_one_event_reaches_the_room_of_the_employee_and_the_general_one(gate, clients, spelling):
    ann = gate.demo.person("ann")
    employee, other = new_employee(), new_employee()
    one, both, all_of_them = [await clients.open(gate.port, ann) for _ in range(3)]
    for client in (one, both):
        await client.emit("join_attendance_room", SPELLINGS[spelling](employee))
    for client in (both, all_of_them):
        await client.emit("join_general_attendance")
    await reached(gate, one, "attendance_update", employee)
    for client in (both, all_of_them):
        await reached(gate, client, "general_attendance_update", other)
    await check_in(gate, other)
    row = await check_in(gate, employee, status="late", device="Front desk")
    for client, event in ((one, "attendance_update"), (both, "attendance_update"), (both, "general_attendance_update")):
        await client.wait(lambda client=client, event=event: matching(client, event, row), f"{event} of {row}")
    await all_of_them.wait(lambda: matching(all_of_them, "general_attendance_update", row), "the general update")
    # A client in one employee's room gets no other, and the general room gets no events of the employees' rooms.
    assert {args[0]["employee_id"] for args in one.all("attendance_update")} == {str(employee)}
    assert one.names("general_attendance_update") == all_of_them.names("attendance_update") == []


async def test_rooms_are_left_again(gate, clients):
    employee = new_employee()
    client, fence = [await clients.open(gate.port, gate.demo.person("ann")) for _ in range(2)]
    for watcher in (client, fence):
        await watcher.emit("join_attendance_room", str(employee))
        await watcher.emit("join_general_attendance")
        await reached(gate, watcher, "attendance_update", employee)
    await client.emit("leave_attendance_room", {"employee_id": employee})
    row = await until_gone(gate, client, fence, employee, "attendance_update")
    await client.wait(lambda: matching(client, "general_attendance_update", row), "still in the general room")
    await client.emit("leave_general_attendance")
    await until_gone(gate, client, fence, employee, "general_attendance_update")


async def test_a_deleted_employee_is_sent_with_djangos_data(gate, sockets):
    employee = new_employee()
    client = await sockets.open(gate.port, gate.demo.person("ann"))
    await client.emit("join_attendance_room", employee)
    await reached(gate, client, "attendance_update", employee)
    before = len(client.all("attendance_update"))
    row = await check_in(gate, employee)
    await gate.demo.delete("attendance", row["id"])
    data = await client.data("attendance_update", before + 2)
    gone = {"employee_id": str(employee), "employee_name": "Meera Joshi"}
    assert data == {**dict.fromkeys(FIELDS), **gone}


async def test_an_update_without_an_employee_reaches_the_general_room(gate, sockets):
    client = await sockets.open(gate.port, gate.demo.person("ann"))
    employee = new_employee()
    await client.emit("join_general_attendance")
    await client.emit("join_attendance_room", employee)
    await reached(gate, client, "attendance_update", employee)
    before = len(client.all("attendance_update"))
    marks = [str(uuid.uuid4()) for _ in range(3)]
    async with gate.publisher() as layer:
        for mark, named in zip(marks, ({}, {"employee_id": None}, {"employee_id": ""}), strict=True):
            data = {"user_name": "Meera Joshi", "device": mark, **named}
            await layer.group_send("attendance_updates", {"type": "attendance_update", "data": data})
    general = lambda: [args[0] for args in client.all("general_attendance_update") if args[0]["device"] in marks]  # noqa: E731
    await client.wait(lambda: len(general()) == 3, "the general updates")
    assert [(data["device"], data["employee_id"]) for data in general()] == list(
        zip(marks, (None, None, ""), strict=True)
    )
    assert {data["employee_name"] for data in general()} == {"Meera Joshi"}
    assert len(client.all("attendance_update")) == before


def matching(client, event: str, row: dict) -> bool:
    return any(same(args[0], row) for args in client.all(event) if args[0]["timestamp"])


async def reached(gate, client, event: str, employee: int) -> None:
    """Checks in until the client receives it: it has joined. Joining is not acknowledged in this protocol."""
    for _ in range(150):
        row = await check_in(gate, employee)
        try:
            await client.wait(lambda row=row: matching(client, event, row), event, 0.2)
        except AssertionError:
            continue
        return
    raise AssertionError(f"the client never joined; {client.events}")


async def until_gone(gate, client, fence, employee: int, event: str) -> dict:
    """Checks in until the client no longer receives it, and returns the last row; `fence` receives all."""
    for number in itertools.count():
        row = await check_in(gate, employee)
        await fence.wait(lambda row=row: matching(fence, event, row), event)
        # One more, so that any events for the first have arrived.
        after = await check_in(gate, employee)
        await fence.wait(lambda row=after: matching(fence, event, row), event)
        if not matching(client, event, row) and not matching(client, event, after):
            return after
        assert number < 50, f"the client never left: {event}"
    raise AssertionError
