"""The exceptions of dlt: a script raises some of them itself, and names others to catch them."""

from __future__ import annotations

from typing import Any


class DltException(Exception):  # noqa: N818 (its name in dlt, as below)
    """The root of all exceptions of dlt."""

    def __init__(self, *args: Any, **_: Any) -> None:
        super().__init__(*args)


class TerminalException(Exception):  # noqa: N818 (as above)
    """What would fail again; it stands beside another root."""


class TransientException(Exception):  # noqa: N818 (as above)
    """What may not fail again."""


class TerminalValueError(ValueError, TerminalException):
    """A value with which it would fail again."""


class ConfigurationException(DltException):
    """A value that is missing, or wrong."""


class ConfigFieldMissingException(KeyError, ConfigurationException):  # noqa: N818 (as above)
    """A value that nobody has said."""


class DatabaseUndefinedRelation(DltException):
    """A table that is not there."""


class MissingDependencyException(DltException, ImportError):  # noqa: N818 (as above)
    """A library that is not installed."""

    def __init__(self, caller: str, dependencies: Any, appendix: str = "") -> None:
        listed = ", ".join(dependencies)
        super().__init__(f"{caller} needs {listed}, which is not installed. {appendix}".strip())


_KNOWN: dict[str, type[BaseException]] = {
    made.__name__: made
    for made in (
        *(DltException, TerminalException, TransientException, TerminalValueError),
        ConfigurationException,
        *(ConfigFieldMissingException, DatabaseUndefinedRelation, MissingDependencyException),
    )
}


def named(name: str) -> type[BaseException]:
    """The exception of that name: always the same, also where nothing here raises it."""
    return _KNOWN.setdefault(name, type(name, (DltException,), {"__module__": __name__}))
