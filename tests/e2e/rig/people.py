"""Users of the demo project, and the tokens that they connect with."""

import dataclasses
import time

import jwt
import stack

from .http import Http

PASSWORD = "demonstration"


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody who is logged in at Django."""

    id: int
    name: str
    role: str
    token: str

    def as_user(self) -> dict:
        return {"id": self.id, "name": self.name, "role": self.role}


def log_in(port: int, username: str) -> Person:
    """One of those whom `manage.py make_people` makes, with the token that Django gives them."""
    login = {"username": username, "password": PASSWORD}
    token = Http(port).request_now("POST", "/api/token/", data=login).json()["access"]
    claims = jwt.decode(token, stack.SECRET_KEY, algorithms=["HS256"])
    return Person(claims["id"], claims["name"], claims["role"], token)


def mint(**claims) -> str:
    """A token with these claims, as a program that knows the key would make it."""
    claims = {"exp": int(time.time()) + 600, **claims}
    return jwt.encode(claims, stack.SECRET_KEY, algorithm="HS256")


def mint_person(user_id: int, role: str = "user", name: str | None = None, **claims) -> Person:
    """Somebody whom Django need not know."""
    name = name or f"User {user_id}"
    standard = {"token_type": "access", "jti": f"{user_id}-{time.monotonic_ns()}", "user_id": str(user_id)}
    return Person(user_id, name, role, mint(**standard, id=user_id, role=role, name=name, **claims))
