"""The attendance tracker: sessions as rooms, attendance and statistics through Django, roles."""

import time

import pytest
from rig.demo import access_claims, mint
from rig.system import GATES
from rig.times import is_now, timed

ONLY_TRACKER = 'presets = ["tracker"]\n'
#: Tests that call Django do so in each of its ways.
everywhere = pytest.mark.parametrize("gate", GATES, indirect=True, scope="session")
RESULTS = ("attendanceMarked", "attendanceUpdate", "attendanceStats", "error")


@pytest.fixture(scope="module")
def strict(module_system, database):
    """A node that serves only the tracker, so that no other consumer admits a client that it refuses."""
    return module_system.start_gate(1, database, config=ONLY_TRACKER)


@everywhere
async def test_arrivals_and_departures_are_sent_to_the_others_in_the_room(gate, clients):
    session = await gate.demo.session()
    ann, ben = [await clients.open(gate.port, gate.demo.person(name)) for name in ("ann", "ben")]
    await ann.emit("joinSession", str(session))
    # A client whose question after the join was answered has joined.
    await ann.emit("getAttendanceStats", str(session))
    await ann.data("attendanceStats")
    await ben.emit("joinSession", str(session))
    who = gate.demo.person("ben")
    assert timed(await ann.data("userJoined")) == {"userId": who.id, "userName": who.name}
    await ben.emit("leaveSession", str(session))
    assert timed(await ann.data("userLeft")) == {"userId": who.id}
    # The sender received none of these events.
    await ben.emit("joinSession", str(session))
    await ann.data("userJoined", 2)
    await ben.emit("getAttendanceStats", str(session))
    await ben.data("attendanceStats")
    assert who.id not in [args[0]["userId"] for args in (*ben.all("userJoined"), *ben.all("userLeft"))]


@everywhere
async def test_attendance_is_answered_first_and_then_sent_to_the_room(gate, clients):
    session = await gate.demo.session()
    ann, ben = (gate.demo.person(name) for name in ("ann", "ben"))
    marking, watching = await clients.open(gate.port, ann), await clients.open(gate.port, ben, kind="js-websocket")
    await watching.emit("joinSession", str(session))
    # One client's events are handled in order, so with this answer its join is done.
    await watching.emit("getAttendanceStats", str(session))
    await watching.data("attendanceStats")
    # Without a pause in between: the join takes effect before the next event of the same client.
    await marking.emit("joinSession", str(session))
    await marking.emit("markAttendance", {"sessionId": session, "location": {"lat": 1.5}, "userId": 1, "userName": "x"})
    update = timed(await marking.data("attendanceUpdate"), "checkInTime")
    marked = await marking.data("attendanceMarked")
    assert marking.names(*RESULTS) == ["attendanceMarked", "attendanceUpdate"]
    attendance = marked["attendance"]
    assert marked == {"success": True, "attendance": attendance, "message": "Attendance marked successfully"}
    assert (attendance["userId"], attendance["sessionId"]) == (ann.id, session)
    assert attendance["location"] == {"lat": 1.5} and is_now(attendance["checkInTime"])
    # The client's own claims about itself are ignored.
    assert update == {"userId": ann.id, "userName": ann.name, "status": "present", "sessionId": session}
    assert timed(await watching.data("attendanceUpdate"), "checkInTime") == update
    # A second time returns the first record.
    await marking.emit("markAttendance", {"sessionId": session, "location": None})
    assert (await marking.data("attendanceMarked", 2))["attendance"] == attendance
    assert watching.names("attendanceMarked") == []


@everywhere
async def test_statistics_go_only_to_the_asking_client(gate, clients):
    session = await gate.demo.session()
    for name in ("ann", "ben"):
        client = await clients.open(gate.port, gate.demo.person(name))
        await client.emit("markAttendance", {"sessionId": session, "location": None})
        marked = await client.data("attendanceMarked")
    await gate.demo.change("tracker/attendances", marked["attendance"]["id"], status="late")
    await client.emit("getAttendanceStats", str(session))
    stats = [{"status": "late", "count": 1}, {"status": "present", "count": 1}]
    assert timed(await client.data("attendanceStats")) == {"sessionId": str(session), "stats": stats}


@everywhere
async def test_only_active_sessions_accept_attendance(gate, clients):
    client = await clients.open(gate.port, gate.demo.person("ann"))
    closed = await gate.demo.session("completed")
    for number, session in enumerate((closed, 987_654_321), start=1):
        await client.emit("markAttendance", {"sessionId": session, "location": None})
        assert await client.data("error", number) == {"message": "Invalid or inactive session"}
    await client.emit("getAttendanceStats", "not a number")
    assert await client.data("error", 3) == {"message": "Failed to get attendance stats"}
    assert client.names(*RESULTS) == ["error"] * 3


@everywhere
async def test_only_admins_and_moderators_update_a_session(gate, clients):
    session = await gate.demo.session()
    ann, ada, moe = (gate.demo.person(name) for name in ("ann", "ada", "moe"))
    user = await clients.open(gate.port, ann)
    await user.emit("joinSession", str(session))
    await user.emit("sessionUpdate", {"sessionId": session, "title": "Mine"})
    assert await user.data("error") == {"message": "Unauthorized"}
    for number, person in enumerate((ada, moe), start=1):
        staff = await clients.open(gate.port, person, kind="js-websocket")
        await staff.emit("joinSession", str(session))
        change = {"sessionId": session, "title": f"By {person.name}", "updatedBy": 1, "timestamp": "never"}
        await staff.emit("sessionUpdate", change)
        updated = {"sessionId": session, "title": f"By {person.name}", "updatedBy": person.id}
        # The room, including the sender.
        assert timed(await user.data("sessionUpdated", number)) == updated
        assert timed(await staff.data("sessionUpdated")) == updated


@everywhere
async def test_django_reaches_a_room_with_its_own_events(gate, clients):
    sessions = [await gate.demo.session() for _ in range(2)]
    here, there = [await clients.open(gate.port, gate.demo.person(name)) for name in ("ann", "ben")]
    for client, session in zip((here, there), sessions, strict=True):
        await client.emit("joinSession", str(session))
        await client.emit("getAttendanceStats", str(session))
        await client.data("attendanceStats")
    ada = gate.demo.person("ada")
    for number in range(5):
        data = {"sessionId": sessions[0], "totalAttendees": number, "percentageFilled": "12.3"}
        await gate.demo.announce(sessions[0], "session-stats-update", data, ada)
    await gate.demo.announce(sessions[1], "session-stats-update", {"last": True}, ada)
    assert await there.data("session-stats-update") == {"last": True}
    await here.data("session-stats-update", 5)
    assert [args[0]["totalAttendees"] for args in here.all("session-stats-update")] == list(range(5))


async def test_a_token_may_name_its_owner_in_any_of_three_claims(strict, clients):
    ann = strict.demo.person("ann")
    # `sub` is text by definition (RFC 7519, 4.1.2).
    for claim, value in [("id", ann.id), ("id", str(ann.id)), ("user_id", ann.id), ("sub", str(ann.id))]:
        client = await clients.start(strict.port, mint(**access_claims(ann.id), **{claim: value}))
        await client.opened()
        assert client.refusals == []


async def test_an_unknown_user_is_refused_with_the_documented_text(strict, clients):
    ann = strict.demo.person("ann")
    claims = {**access_claims(ann.id), "id": ann.id}
    nobody = {**access_claims(987_654), "id": 987_654}
    refused = {
        None: "Authentication error",
        "": "Authentication error",
        "noise": "Authentication error",
        mint(key="a key of somebody else's, long enough", **claims): "Authentication error",
        mint(**{**claims, "exp": int(time.time()) - 60}): "Authentication error",
        mint(**nobody): "User not found",
    }
    for token, message in refused.items():
        client = await clients.start(strict.port, token)
        assert (await client.refused())["message"] == message, token
        assert client.ids == []
    # Without any auth, and with auth that is not an object.
    for auth in ({}, {"token": 7}, {"token": None}):
        assert (await (await clients.start(strict.port, auth=auth)).refused())["message"] == "Authentication error"
