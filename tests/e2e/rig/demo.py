"""The demo project from outside: its users, their tokens, and its REST API."""

import dataclasses
import time

import jwt
import stack

from .http import Http

PASSWORD = "demonstration"


@dataclasses.dataclass(frozen=True)
class Person:
    """A person with a token."""

    id: int
    name: str
    role: str
    token: str

    def as_user(self) -> dict:
        return {"id": self.id, "name": self.name, "role": self.role}


def mint(key: str = stack.SECRET_KEY, **claims) -> str:
    """A token with these claims. Some are made when the tests are collected, and must outlive the whole run."""
    return jwt.encode({"exp": int(time.time()) + 7200, **claims}, key, algorithm="HS256")


def access_claims(user_id) -> dict:
    """The claims of every simplejwt access token."""
    return {"token_type": "access", "jti": f"{user_id}-{time.monotonic_ns()}"}


def mint_access(user_id, **claims) -> str:
    """An access token of a user, as simplejwt makes it."""
    return mint(**{**access_claims(user_id), "user_id": str(user_id), **claims})


def mint_person(user_id, role: str = "user", name: str | None = None) -> Person:
    """A person that Django need not know, with the claims of Django's own tokens."""
    name = name or f"User {user_id}"
    return Person(user_id, name, role, mint_access(user_id, id=user_id, role=role, name=name))


class Demo:
    """The REST API of one running project."""

    def __init__(self, port: int):
        self.web = Http(port)
        self.people: dict[str, Person] = {}

    def person(self, username: str) -> Person:
        """A person created by `manage.py make_people`, with the token that Django issues."""
        if username not in self.people:
            login = {"username": username, "password": PASSWORD}
            token = self.web.request_now("POST", "/api/token/", data=login).json()["access"]
            claims = jwt.decode(token, stack.SECRET_KEY, algorithms=["HS256"])
            self.people[username] = Person(claims["id"], claims["name"], claims["role"], token)
        return self.people[username]

    async def make(self, what: str, by: Person | None = None, **row) -> dict:
        return await self._send("POST", f"/api/{what}/", 201, by, row)

    async def change(self, what: str, key: object, by: Person | None = None, **row) -> dict:
        return await self._send("PATCH", f"/api/{what}/{key}/", 200, by, row)

    async def replace(self, what: str, key: object, by: Person | None = None, **row) -> dict:
        return await self._send("PUT", f"/api/{what}/{key}/", 200, by, row)

    async def delete(self, what: str, key: object) -> None:
        assert (await self.web.request("DELETE", f"/api/{what}/{key}/")).status == 204

    async def announce(self, session: int, event: str, data, by: Person) -> None:
        """Any event for a session's room."""
        path = f"/api/tracker/sessions/{session}/announce/"
        reply = await self.web.post(path, data={"event": event, "data": data}, token=by.token)
        assert reply.status == 204, reply

    async def session(self, status: str = "active") -> int:
        return (await self.make("tracker/sessions", title="Standup", status=status))["id"]

    async def _send(self, method: str, path: str, status: int, by: Person | None, row: dict) -> dict:
        reply = await self.web.request(method, path, data=row, token=by.token if by else None)
        assert reply.status == status, reply
        return reply.json()
