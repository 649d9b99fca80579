"""The words of manifests, as components name them."""

from __future__ import annotations

from enum import Enum
from typing import Any


class SchemaNormalization(Enum):
    """How values are cast."""

    None_ = "None"
    Default = "Default"


class _Model:
    """A component as it stands in a manifest."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class DatetimeBasedCursor(_Model):
    """A cursor as it stands in a manifest."""


class SubstreamPartitionRouter(_Model):
    """A partition router as it stands in a manifest."""


class CustomPartitionRouter(_Model):
    """A partition router as it stands in a manifest."""


class ParentStreamConfig(_Model):
    """A parent as it stands in a manifest."""


class DeclarativeStream(_Model):
    """A stream as it stands in a manifest."""
