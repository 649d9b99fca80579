"""DuckDB's driver, no more of it than is needed, and no earlier.

The driver is a native part and a package of Python around it. The native part opens, asks and
changes a database; the package takes four times as long to import, which is a seventh of a run that
finds nothing new, and is needed only to read Arrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from penstock.destinations._duckdb_engine import Connection


def native() -> Any:
    """The part that opens databases, with the errors it raises."""
    try:
        import _duckdb  # noqa: PLC0415 (the driver is loaded when something is opened)
    except ImportError:  # it had another name once, and may have again
        return whole()
    return _duckdb


def whole() -> Any:
    """The package, whose import lets every connection read Arrow, those made before included."""
    import duckdb  # noqa: PLC0415 (the driver is loaded when something is read or written)

    return duckdb


def is_first_series() -> bool:
    """Whether the driver is DuckDB 1, which lacks some of what later ones can."""
    return str(native().__version__).removeprefix("v").startswith("1.")


def spelled(settings: Mapping[str, object]) -> str:
    """Settings as statements."""
    return "; ".join(f"SET {name} = '{value}'" for name, value in settings.items())


class Ahead:
    """A database in memory for whoever takes it first, which may be opened ahead in a thread.

    That takes as long as a third of the imports of a run, and needs nothing of Python's meanwhile.

    Args:
        settings: what it is set to.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = dict(settings)
        self._opening: Future[Connection] | None = None

    def begin(self) -> None:
        """Begin to open one for whoever takes it first."""
        if self._opening is None:
            self._opening = Future()
            Thread(target=self._open, args=(native(), self._opening), daemon=True).start()

    def _open(self, driver: Any, opening: Future[Connection]) -> None:
        try:
            opening.set_result(self._made(driver))
        except BaseException as error:  # noqa: BLE001 (raised where it is taken)
            opening.set_exception(error)

    def keep(self, connection: Connection) -> None:
        """Hand one on that somebody has taken and is done with."""
        self._opening = Future()
        self._opening.set_result(connection)

    def take(self) -> Connection:
        """The one that was begun, or a new one."""
        opening, self._opening = self._opening, None
        if opening is not None:
            return opening.result()
        return self._made(native())

    def _made(self, driver: Any) -> Connection:
        made = cast("Connection", driver.connect(":memory:"))
        made.execute(spelled(self._settings))
        return made
