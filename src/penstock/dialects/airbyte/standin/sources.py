"""Sources of the reference engine: files of a connector name them, and nothing is made of them.

Penstock runs the manifest itself. A connector's package imports its source where its own command
begins, which is not how it is run here.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

TState = MutableMapping[str, Any]


class _NotMade:
    """What cannot be made here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        raise RuntimeError(f"a {type(self).__name__} is not made here: Penstock runs the manifest")


class Source(_NotMade):
    """A source."""


class AbstractSource(Source):
    """A source of streams."""


class ConcurrentDeclarativeSource(AbstractSource):
    """The source of a manifest."""


class ManifestDeclarativeSource(ConcurrentDeclarativeSource):
    """The source of a manifest."""


class YamlDeclarativeSource(ConcurrentDeclarativeSource):
    """The source of a manifest that is a file."""


class AirbyteEntrypoint(_NotMade):
    """The command of a source."""


class ConnectorStateManager(_NotMade):
    """What keeps the state of streams."""


class ModelToComponentFactory(_NotMade):
    """What makes the components of a manifest."""
