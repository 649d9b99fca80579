"""What an endpoint has shown of its page sizes, learned from one page after the other."""

from __future__ import annotations

import msgspec

PROOFS_NEEDED = 3


class Law(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint has shown of its pages, for a given asked size.

    `full`: a page of the asked size was seen. `proofs`: short pages that an empty page followed.
    `cap`: the size of a first page that was short though more followed, the server's own limit;
    `capped` counts pages of exactly that size. `gaps`: a short page stood before others, so that
    no short page can be taken for the last, and no cap is told.
    """

    size: int | None = None
    full: bool = False
    proofs: int = 0
    cap: int | None = None
    capped: int = 0
    gaps: bool = False

    @property
    def proven(self) -> bool:
        """Whether a short page can be taken for the last."""
        if self.gaps:
            return False
        return self.full or self.proofs >= PROOFS_NEEDED or self.capped > 1

    @property
    def page(self) -> int | None:
        """How many records a page that is not the last holds, as far as is known."""
        if self.cap is not None and not self.full:
            return self.cap
        return self.size

    def learn(self, count: int, before: int | None, index: int) -> Law:
        """The law after a page of `count` records, number `index`, behind one of `before`."""
        if self.size is None:
            return self
        law = self
        if count >= self.size and not self.full:
            law = msgspec.structs.replace(law, full=True)
        if before is None or not 0 < before < self.size:
            return law
        if count == 0:
            return msgspec.structs.replace(law, proofs=law.proofs + 1)
        return law if law.gaps else _followed(law, count, before, index)


def _followed(law: Law, count: int, before: int, index: int) -> Law:
    """The law after a page of `count` records behind a short one of `before`."""
    if law.cap is None and index == 1 and not law.full:
        law = msgspec.structs.replace(law, cap=before, capped=1)
    if law.cap != before or count > before:
        return msgspec.structs.replace(law, cap=None, capped=0, gaps=True)
    return msgspec.structs.replace(law, capped=law.capped + (count == before))
