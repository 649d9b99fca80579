"""What must hold of any body: records that can be shaped, each once, or an error with a code."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from tests.fuzz.bodies import body
from tests.fuzz.mutate import Chooser, pick
from tests.fuzz.play import coded

from penstock.errors import Error
from penstock.plan.decoder import Decoder
from penstock.plan.expr import Ref, Scope
from penstock.plan.hints import Contract, Hints
from penstock.plan.records import Glob, JsonPath, Keys, RecordPath, Several
from penstock.read.decode import Decoded, FieldReader, RawRecord, decode, rows_at, wanted
from penstock.shape import Block, Segment, Shaper

PATHS: tuple[RecordPath, ...] = (
    *(Keys(path=()), Keys(path=("data",)), Keys(path=("data",)), Keys(path=("data", "a"))),
    *(JsonPath(text="data[*]"), JsonPath(text="$..a"), Glob(path=("data", "*")), Glob(path=("*",))),
    Several(paths=(Keys(path=("data",)), Keys(path=("rows",))), mode="first"),
)
DECODERS = (
    *(Decoder(), Decoder(), Decoder(), Decoder(format="jsonl"), Decoder(format="csv")),
    *(Decoder(format="xml"), Decoder(format="lines"), Decoder(items=("data",)), Decoder(gzip=True)),
    Decoder(zip=True),
)
FIELDS = (
    Keys(path=("id",)),
    Keys(path=("in", "a")),
    Keys(path=("at",)),
    JsonPath(text="list[0].a"),
)
HINTS = (
    *(Hints(), Hints(), Hints(nesting="struct"), Hints(nesting="json"), Hints(max_nesting=1)),
    *(Hints(write="merge", primary_key=("id",)), Hints(contract=Contract(columns="discard_value"))),
    Hints(contract=Contract(data_type="discard_row")),
)


def decoded(choose: Chooser, text: bytes) -> Decoded:
    """A body read as one of many streams would read it.

    Raises:
        Error: it cannot be.
    """
    reads = [Ref(at=Scope.PAGE, path=("response", *p)) for p in (("next",), ("total",), ("a", "b"))]
    want = wanted(pick(choose, PATHS), reads[: choose.below(4)])
    made = decode(text, pick(choose, DECODERS), want)
    list(rows_at(made.envelope))
    return made


def shaped(choose: Chooser, records: Sequence[RawRecord]) -> int:
    """The rows that records become, in blocks that are cut somewhere.

    Raises:
        Error: they cannot be shaped.
    """
    shaper, rows = Shaper("things", pick(choose, HINTS), None), 0
    cut = choose.below(len(records) + 1)
    for number, part in enumerate((records[:cut], records[cut:])):
        block = Block(load_id=f"l{number}", segments=(Segment(records=tuple(part)),))
        batch = shaper.shape(block)
        for table in batch.tables.values():
            assert isinstance(table, pa.Table)
            table.validate(full=True)
        rows += sum(t.num_rows for name, t in batch.tables.items() if name == "things")
    return rows


def play(choose: Chooser) -> str:
    """One body, from its bytes to tables; how it ended."""
    text = body(choose)
    try:
        found = decoded(choose, text)
        FieldReader(FIELDS[: 1 + choose.below(len(FIELDS))]).read(found.records)
        rows = shaped(choose, found.records)
    except Error as exc:
        coded(exc.code)
        return exc.code
    assert rows <= len(found.records)
    return "rows" if rows else "empty"
