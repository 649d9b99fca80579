"""What compiling a document gives."""

from __future__ import annotations

import msgspec

from penstock.errors import Diagnostic, PlanError
from penstock.plan.source import Source
from penstock.plan.target import Target


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A document's plan and everything there is to say about it; no plan if it has errors.

    `target` is where a script's own run would put the rows. A script that was `loaded` while it was
    executed has no plan left.
    """

    source: Source | None
    dialect: str
    name: str
    file: str
    diagnostics: tuple[Diagnostic, ...] = ()
    target: Target | None = None
    loaded: bool = False

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
