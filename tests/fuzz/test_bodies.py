"""Whatever an API answers, it ends in rows or in an error with a code."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.fuzz.chance import Drawn, fuzzed
from tests.fuzz.play import bounded
from tests.fuzz.targets import body


@fuzzed("bodies")
def test_a_body_is_rows_or_an_error(data: st.DataObject):
    """Bytes of any kind, cut and garbled: decoded, and shaped to tables that hold together."""
    with bounded():
        body(Drawn(data))
