"""What compiling a document gives."""

from __future__ import annotations

import msgspec

from penstock.errors import Diagnostic, PlanError
from penstock.plan.source import Source


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A document's plan and everything there is to say about it; no plan if it has errors."""

    source: Source | None
    dialect: str
    name: str
    file: str
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is a plan."""
        return self.source is not None

    def need(self) -> Source:
        """The plan.

        Raises:
            PlanError: there is none; it holds every diagnostic.
        """
        if self.source is None:
            raise PlanError(self.diagnostics)
        return self.source
