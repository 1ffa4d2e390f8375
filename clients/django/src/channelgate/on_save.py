"""Connections that end because a row has changed: `@disconnects(User, when=lambda user: not user.is_active)`."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from channelgate import orders
from channelgate.identity import user_id

logger = logging.getLogger("channelgate.orders")

F = TypeVar("F", bound=Callable[[Any], Any])


def disconnects(
    model: Any,
    *,
    when: Callable[[Any], bool] | None = None,
    code: int | None = None,
    reason: str = "",
    reconnect: bool = False,
) -> Callable[[F], F]:
    """Ends connections after the commit that saves an instance for which `when` is true, or that deletes one.

    The decorated function gets the instance, and returns the user, or an id; None ends nothing. Without a function, as
    a call, the instance itself is the user. `model` is a model, or "app.Model".
    """
    ending = orders.checked(code, reason, reconnect)
    # The receivers call what is here: the function replaces the instance itself.
    found: list[Callable[[Any], Any]] = [_itself]

    def saved(instance: Any, using: str, raw: bool = False, **_: Any) -> None:
        # Fixtures may be loaded before what `when` reads.
        if not raw and (when is None or when(instance)):
            _end(found[0], instance, using, ending)

    def deleted(instance: Any, using: str, **_: Any) -> None:
        _end(found[0], instance, using, ending)

    # Both signals take a name of a model that is not loaded yet.
    post_save.connect(saved, sender=model, weak=False)
    post_delete.connect(deleted, sender=model, weak=False)

    def decorate(function: F) -> F:
        found[0] = function
        return function

    return decorate


def _itself(instance: Any) -> Any:
    return instance


def _end(of: Callable[[Any], Any], instance: Any, using: str, ending: dict[str, Any]) -> None:
    # Now, because a deleted instance has no id after the commit.
    identity = user_id(of(instance))
    if identity is None:
        return
    order = orders.target("user", identity) | ending

    def after_commit() -> None:
        try:
            # Tests of a project replace `send`.
            if not orders.send(order):
                logger.warning("The end of connections of a user was heard by no node; it is kept for an hour")
        except (ImproperlyConfigured, ImportError) as error:
            # As in tests of the project, and wherever no node is.
            logger.debug("A saved row ends no connection: %s", error)
        except Exception:
            # The row is saved: its view must not fail.
            logger.exception("Connections of a user could not be ended: they stay until their login is checked again")

    transaction.on_commit(after_commit, using=using, robust=True)
