"""The demo project's answers to a node: the same over HTTP and through a Channels worker."""

import json
import re
import time

import pytest
import stack
from rig.calls import OverHttp, OverWorker, call_of, post, signed
from rig.demo import Demo, Person, mint_person
from rig.http import Http
from rig.system import LAYERS, System

ISO_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module", params=LAYERS)
def answering(request, tmp_path_factory, database):
    """Django under Daphne and as a worker, without any node."""
    system = System(tmp_path_factory.mktemp(request.param), LAYERS[request.param])
    try:
        system.start_django(database, wait=False)
        system.start_worker(wait=False)
        system.wait()
        yield system
    finally:
        system.stop()


@pytest.fixture(params=["http", "worker"])
async def asker(request, answering):
    if request.param == "http":
        yield OverHttp(answering.django.port)
        return
    async with answering.publisher() as layer:
        yield OverWorker(layer)


@pytest.fixture
def ann(answering) -> Person:
    return Demo(answering.django.port).person("ann")


async def test_a_user_is_found_only_by_the_id_of_the_token(answering, asker, ann):
    assert await asker.ask("findUser", {"id": 1}, ann) == (200, {"id": ann.id, "name": "Ann Archer", "role": "user"})
    text = Person(str(ann.id), ann.name, "admin", ann.token)
    assert await asker.ask("findUser", None, text) == (200, ann.as_user())
    for unknown in (mint_person(987_654), mint_person("nobody"), mint_person(None), mint_person(2**63), None):
        assert await asker.ask("findUser", {"id": ann.id}, unknown) == (404, {"message": "User not found"})


async def test_attendance_is_found_or_created(answering, asker, ann):
    session = await Demo(answering.django.port).session()
    status, first = await asker.ask("markAttendance", {"sessionId": session, "location": {"lat": 1.5}}, ann)
    attendance = first["attendance"]
    assert status == 200 and first["created"] is True
    assert ISO_MS.fullmatch(attendance["checkInTime"])
    assert attendance == {
        "id": attendance["id"],
        "sessionId": session,
        "userId": ann.id,
        "status": "present",
        "checkInTime": attendance["checkInTime"],
        "location": {"lat": 1.5},
    }
    # A session's id as text, and a second record that equals the first.
    again = await asker.ask("markAttendance", {"sessionId": str(session), "location": None}, ann)
    assert again == (200, {"attendance": attendance, "created": False})


async def test_unknown_and_inactive_sessions_are_refused(answering, asker, ann):
    closed = await Demo(answering.django.port).session("completed")
    assert (await asker.ask("markAttendance", {"sessionId": closed}, ann))[0] == 409
    assert (await asker.ask("markAttendance", {"sessionId": 987_654}, ann))[0] == 404
    for noise in (None, [], {}, {"sessionId": None}, {"sessionId": "x"}, {"sessionId": [1]}, True):
        assert (await asker.ask("markAttendance", noise, ann))[0] == 400, noise
    session = await Demo(answering.django.port).session()
    assert (await asker.ask("markAttendance", {"sessionId": session}, mint_person(987_654)))[0] == 403
    assert await asker.ask("getAttendanceStats", session) == (200, {"stats": []})


async def test_stats_are_counted_by_status(answering, asker):
    demo = Demo(answering.django.port)
    session = await demo.session()
    for name in ("ann", "ben", "cem"):
        status, body = await asker.ask("markAttendance", {"sessionId": session}, demo.person(name))
        assert status == 200
    await demo.change("tracker/attendances", body["attendance"]["id"], status="late")
    counted = (200, {"stats": [{"status": "late", "count": 1}, {"status": "present", "count": 2}]})
    for data in (session, str(session), {"sessionId": session}):
        assert await asker.ask("getAttendanceStats", data) == counted


async def test_an_unknown_action_differs_from_an_unknown_object(asker):
    assert await asker.ask("dropTables") == (501, {"message": "Unknown action: dropTables"})


async def test_only_calls_signed_with_the_secret_are_answered(answering):
    port = answering.django.port
    body = json.dumps(call_of("findUser")).encode()
    now = int(time.time())
    good = signed(body)

    def status(headers: dict[str, str], content: bytes = body, action: str = "findUser") -> int:
        return post(port, action, content, headers).status

    assert status(good) == 404, "signed, and the user not found"
    assert status({}) == status({"X-Channelgate-Timestamp": str(now)}) == 401
    assert status(signed(body, secret="a guess")) == 403
    assert status(good, body + b" ") == 403
    assert status({**good, "X-Channelgate-Timestamp": str(now + 1)}) == 403
    assert status({**good, "X-Channelgate-Signature": "é"}) == 403
    assert status(signed(body, timestamp=str(now - 250))) == 404
    for timestamp in (str(now - 350), str(now + 350), "never", "-1", "²"):
        assert status(signed(body, timestamp=timestamp)) in (400, 403), timestamp
    # Data outside the signature has no effect.
    assert status(good, action="markAttendance") == 400
    assert status(signed(b"noise"), b"noise") == status(signed(b"[]"), b"[]") == 400
    assert Http(port).request_now("GET", "/channelgate/findUser").status == 405


async def test_without_a_secret_no_call_is_answered(system, database):
    django = system.start_django(database, CHANNELGATE_SECRET="")
    body = json.dumps(call_of("findUser")).encode()
    assert post(django.port, "findUser", body, signed(body, secret="")).status == 404
    assert stack.BACKEND_SECRET not in django.tail()
