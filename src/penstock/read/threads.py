"""Threads for the document's own Python, which may block for as long as an API takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# A call may wait for another one (a requester for its authenticator, a router for a parent's
# extractor), so no call may have to wait for a thread. Threads are made only when none is idle.
_MOST = 4_096


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST, "components")


async def called(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function gives that may block."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool(), lambda: function(*args, **kwargs))
