"""States of another engine in a form that it had once, brought into its last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, assert_never

from penstock.errors import ReadError
from penstock.plan.auth import Auth
from penstock.plan.door import Remembered
from penstock.plan.expr import Frame, JsonValue
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.plan.policy import ErrorPolicy
from penstock.plan.python import Migrate
from penstock.plan.slices import Slice
from penstock.plan.source import ByPartition, Source, Stream

Blob: TypeAlias = "Mapping[str, JsonValue]"


class Closed:
    """The run as a migration sees it: there is none, so nothing can be asked."""

    def __init__(self, values: Mapping[str, JsonValue]) -> None:
        self.values = values
        self.kept: dict[object, object] = {}

    def send(self, request: HttpRequest) -> HttpResponse:
        """Refuses."""
        raise _closed(request)

    def ask(
        self, request: HttpRequest, auth: Auth, policy: ErrorPolicy, frame: Frame
    ) -> HttpResponse:
        """Refuses."""
        del auth, policy, frame
        raise _closed(request)

    def records(self, *streams: str) -> Iterator[tuple[Slice, JsonValue]]:
        """Refuses."""
        names = ", ".join(streams)
        raise ReadError(f"a state is taken over without reading {names}", code="state-offline")

    def read(
        self, source: Source, values: Mapping[str, JsonValue], *streams: str
    ) -> Iterator[JsonValue]:
        """Refuses."""
        del source, values
        names = ", ".join(streams)
        raise ReadError(f"a state is taken over without reading {names}", code="state-offline")

    def allows(self, url: str) -> bool:
        """Nothing is asked, wherever it is."""
        del url
        return False

    def seconds(self) -> float:
        """There is no run whose clock could go on."""
        return 0.0

    def pause(self, seconds: float) -> None:
        """There is nothing to wait for."""

    def remembered(self) -> Remembered:
        """Refuses."""
        raise ReadError("a state is taken over without what functions keep", code="state-offline")

    def tell(self, code: str, message: str) -> None:
        """There is no receipt to tell it in."""


def _closed(request: HttpRequest) -> ReadError:
    asked = f"{request.method} {request.full_url}"
    return ReadError("a state is taken over without asking the API", code="state-offline",
                     request=asked)  # fmt: skip


def migrated(stream: Stream, blob: Blob, values: Mapping[str, JsonValue]) -> Blob:
    """A state as the stream's migrations leave it.

    Raises:
        ReadError: a class of the document's own failed.
    """
    later = () if stream.later is None else stream.later.migrations
    for migration in (*stream.migrations, *later):
        match migration:
            case ByPartition():
                blob = _by_partition(migration, blob)
            case Migrate():
                made = migration.function(Closed(values), dict(blob))
                blob = made if isinstance(made, Mapping) else blob
            case _:
                assert_never(migration)
    return blob


def _by_partition(migration: ByPartition, blob: Blob) -> Blob:
    """The state in which each partition's key names the partition; any other as it is."""
    fits = all(
        isinstance(held, Mapping) and list(held) == [migration.cursor] for held in blob.values()
    )
    if not blob or "states" in blob or not fits:
        return blob
    return {"states": [{"partition": {migration.field: k}, "cursor": v} for k, v in blob.items()]}
