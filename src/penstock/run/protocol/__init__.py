"""The Airbyte protocol: a manifest's spec, check, catalog and records as messages, a line each."""

from penstock.run.protocol.commands import check, discover, read, spec
from penstock.run.protocol.opening import Call

__all__ = ["Call", "check", "discover", "read", "spec"]
