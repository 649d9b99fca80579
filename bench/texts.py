"""What storing texts with zstd costs and gives in DuckDB, beside what it chooses by itself.

    python bench/texts.py [--records 1000000]

The conversations of the chat API are loaded once; their rows are then inserted anew, as Arrow, a
row group at a time, with and without zstd for the columns whose texts are nearly all different.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from common import document, emulator, penstock, run
from documents import flat

_GROUP = 122_880
_UNLIKE = {"id", "subject", "_penstock_id"}
_QUERIES = {
    "search in texts": "SELECT count(*) FROM t WHERE subject LIKE '%pedido #77%'",
    "distinct ids": "SELECT count(DISTINCT id) FROM t",
    "a row by its id": "SELECT subject FROM t WHERE id = 'cnv_0012345'",
}


def main() -> None:
    """Load, insert both ways, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as made, emulator("chat", records=20 * records) as url:
        folder = Path(made)
        run(penstock("run", str(document(folder, "chat", flat(url))), "--quiet"), folder)
        with duckdb.connect(str(folder / "chat.duckdb"), read_only=True) as source:
            rows = source.sql("SELECT * FROM chat.chat.conversations").to_arrow_table()
        for name, unlike in (("DuckDB's choice", set()), ("zstd", _UNLIKE)):
            _insert(folder / f"{len(unlike)}.duckdb", name, rows, unlike)


def _insert(file: Path, name: str, rows: Any, unlike: set[str]) -> None:
    with duckdb.connect(str(file), config={"threads": 1}) as con:
        con.register("rows", rows)
        columns = ", ".join(
            f'"{column}" {kind}{" USING COMPRESSION zstd" if column in unlike else ""}'
            for column, kind, *_ in con.sql("DESCRIBE rows").fetchall()
        )
        con.execute(f"CREATE TABLE t ({columns})")
        before = _cpu()
        for first in range(0, rows.num_rows, _GROUP):
            con.register("rows", rows.slice(first, _GROUP).combine_chunks())
            con.execute("INSERT INTO t SELECT * FROM rows")
        con.execute("CHECKPOINT")
        spent = _cpu() - before
    asked = ", ".join(f"{what} {_ask(file, query):.0f} ms" for what, query in _QUERIES.items())
    print(f"{name}: {spent:.2f} s CPU, {file.stat().st_size / 1e6:.0f} MB; {asked}")


def _ask(file: Path, query: str) -> float:
    """The least of five times, in milliseconds, each with the file opened anew."""
    found = []
    for _ in range(5):
        with duckdb.connect(str(file), config={"threads": 1}) as con:
            began = time.perf_counter()
            con.execute(query).fetchall()
            found.append(1000 * (time.perf_counter() - began))
    return min(found)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
