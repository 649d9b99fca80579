"""The Airbyte protocol: a manifest's spec, check, catalog and records as messages, a line each."""

from penstock.engine.protocol.commands import check, discover, read, spec
from penstock.engine.protocol.opening import Call

__all__ = ["Call", "check", "discover", "read", "spec"]
