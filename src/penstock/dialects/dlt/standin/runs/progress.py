"""`dlt.progress`: what would show how a run goes on; Penstock shows that itself."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self


class Collector:
    """Takes what is to be shown, and shows nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.step: str | None = None

    def __call__(self, step: str) -> Self:
        """The same, for a step of a run."""
        self.step = step
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def update(self, *_: Any, **__: Any) -> None:
        """Nothing."""


_COLLECTORS = ("LogCollector", "TqdmCollector", "AliveCollector", "EnlightenCollector",
               "NullCollector", "DictCollector")  # fmt: skip


def collectors() -> dict[str, Any]:
    """The classes of `dlt.common.runtime.collector`."""
    made = {name: type(name, (Collector,), {}) for name in _COLLECTORS}
    return {"Collector": Collector, **made, "NULL_COLLECTOR": Collector()}


def public() -> dict[str, Any]:
    """The functions of `dlt.progress`."""
    names = ("log", "tqdm", "enlighten", "alive_progress")
    return {**dict.fromkeys(names, Collector), "NULL_COLLECTOR": Collector()}
