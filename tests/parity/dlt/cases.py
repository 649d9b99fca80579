"""All cases."""

from __future__ import annotations

from tests.parity.dlt import cursors, paging, tables

CASES = [*paging.CASES, *cursors.CASES, *tables.CASES]
