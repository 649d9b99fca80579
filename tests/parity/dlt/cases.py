"""All cases."""

from __future__ import annotations

from tests.parity.dlt import (
    asking,
    better,
    chanced,
    cursors,
    hints,
    joint,
    paging,
    rare,
    tables,
    versions,
    wrong,
)

CASES = [
    *(*paging.CASES, *cursors.CASES, *tables.CASES, *hints.CASES),
    *(*asking.CASES, *wrong.CASES, *better.CASES, *chanced.CASES, *rare.CASES),
    *(*versions.CASES, *joint.CASES),
]
