"""The HTTP client at its edges: what it does when it is cancelled, capped or kept waiting."""

from __future__ import annotations

import asyncio
import threading

from penstock.emulator import EmulatorServer
from penstock.plan.page import HttpRequest
from penstock.read.transport import Http


def test_a_request_whose_answer_is_there_can_still_be_cancelled() -> None:
    """A wish to be cancelled is heeded although the answer came before it could be."""

    async def ask(server: EmulatorServer) -> bool:
        http = Http()
        task = asyncio.create_task(http.send(HttpRequest(method="GET", url=server.url)))
        await asyncio.sleep(0)
        # The loop stands still, so that the answer is in the client's hands when the wish comes.
        pause = threading.Event()
        for _ in range(1000):
            if server.log:
                break
            pause.wait(0.01)
        pause.wait(0.05)
        in_time = task.cancel()
        await asyncio.wait([task])
        await http.close()
        return task.cancelled() is in_time

    with EmulatorServer("chat") as server:
        assert all(asyncio.run(ask(server)) for _ in range(10))
