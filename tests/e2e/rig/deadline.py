"""A deadline for one awaitable."""

import asyncio
from collections.abc import Awaitable


async def in_time(seconds: float, awaitable: Awaitable):
    """Its result, or a TimeoutError.

    Unlike `asyncio.wait_for` of Python 3.11, it never loses a cancellation that comes together with the result: that
    would remove an outer deadline. `ruff.toml` forbids `wait_for`.
    """
    async with asyncio.timeout(seconds):
        return await awaitable
