"""What a script asks while it is executed: there is no run yet, and a request is sent at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from penstock.errors import ReadError, TransportError

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from penstock.plan.auth import Auth
    from penstock.plan.door import Remembered
    from penstock.plan.expr import Frame, JsonValue
    from penstock.plan.page import HttpRequest, HttpResponse
    from penstock.plan.policy import ErrorPolicy
    from penstock.plan.slices import Slice
    from penstock.plan.source import Source
    from penstock.read.ask import Asker
    from penstock.read.transport import Http


class Outside:
    """The door of a script that is executed; a thread asks, as the script may have a loop.

    Nothing of it is in any receipt, and what is obtained is not masked: it is the script's own.
    """

    def __init__(self) -> None:
        self.values: Mapping[str, JsonValue] = {}
        self.kept: dict[object, object] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._runner: asyncio.Runner | None = None
        self._http: Http | None = None
        self._asker: Asker | None = None

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request, whatever its status.

        Raises:
            TransportError: none came; it names the request.
        """
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (few scripts ask)

            from penstock.read.transport import warm  # noqa: PLC0415 (the same)

            warm()  # this thread ends with the script, and a run in the same process follows
            self._thread = ThreadPoolExecutor(1, "script")
        return self._thread.submit(self._sent, request).result()

    def _sent(self, request: HttpRequest) -> HttpResponse:
        import asyncio  # noqa: PLC0415 (few scripts ask)

        from penstock.read.tally import Tally  # noqa: PLC0415 (the same)

        if self._runner is None:
            self._runner = asyncio.Runner()
            self._asker = self._runner.run(self._opened())
        assert self._asker is not None, "it is made with the runner"
        try:
            return self._runner.run(self._asker.once("script", request, Tally()))
        except TransportError as exc:
            where = f"{request.method} {request.url.partition('?')[0]}"
            message = f"{exc.message} ({where})"
            raise TransportError(message, code=exc.code, request=exc.request) from exc

    async def _opened(self) -> Asker:
        from penstock.plan.source import Limits  # noqa: PLC0415 (few scripts ask)
        from penstock.read.ask import Asker  # noqa: PLC0415 (the same)
        from penstock.read.clock import SystemClock  # noqa: PLC0415 (the same)
        from penstock.read.origins import Origins  # noqa: PLC0415 (the same)
        from penstock.read.transport import Http  # noqa: PLC0415 (the same)

        self._http = Http()
        return Asker(transport=self._http, clock=SystemClock(), limits=Limits(),
                     origins=Origins(()), emit=lambda _event: None)  # fmt: skip

    def close(self) -> None:
        """Close what is open."""
        if self._thread is not None:
            self._thread.submit(self._closed).result()
            self._thread.shutdown()

    def _closed(self) -> None:
        if self._runner is not None and self._http is not None:
            self._runner.run(self._http.close())
            self._runner.close()

    def ask(
        self, request: HttpRequest, auth: Auth, policy: ErrorPolicy, frame: Frame
    ) -> HttpResponse:
        """Refuses: only a class of a manifest asks so."""
        del auth, policy, frame
        raise ReadError(f"{request.full_url} cannot be asked so while a script is executed")

    def records(self, *streams: str) -> Iterator[tuple[Slice, JsonValue]]:
        """Refuses: nothing is read yet."""
        raise ReadError(f"{', '.join(streams)} is not read while a script is executed")

    def read(
        self, source: Source, values: Mapping[str, JsonValue], *streams: str
    ) -> Iterator[JsonValue]:
        """The records of streams, from where they are to go on: else from their beginning."""
        from penstock.engine.reading import read_stream  # noqa: PLC0415 (few scripts ask)
        from penstock.plan import jsontext  # noqa: PLC0415 (the same)
        from penstock.plan.door import BEGUN  # noqa: PLC0415 (the same)

        begun = cast("Mapping[str, Mapping[str, str]]", self.kept.pop(BEGUN, {}))
        yield from map(jsontext.decode, read_stream(source, values, streams, state=begun))

    def allows(self, url: str) -> bool:
        """Nobody names an origin yet."""
        del url
        return False

    def seconds(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def remembered(self) -> Remembered:
        """Refuses: there is no state yet."""
        raise ReadError("nothing is remembered while a script is executed")

    def tell(self, code: str, message: str) -> None:
        """There is no receipt to tell it in."""
