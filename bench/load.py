"""What loading costs: rows that are Arrow already, into a destination, by every write mode.

The baseline is the destination's own fastest path written by hand for the same rows: `INSERT …
SELECT * FROM arrow` for DuckDB, `COPY … FROM STDIN (FORMAT csv)` of the same CSV for Postgres,
`pyarrow.parquet.write_table` for Parquet and `write_deltalake` for Delta, a file a checkpoint.
Flat rows are messages of 22 columns; nested ones have four child tables.

    python bench/load.py duckdb [--rows 1000000] [--nested 100000] [--only append]
    python bench/load.py parquet
    python bench/load.py delta
    python bench/load.py postgresql://postgres@localhost/bench
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from destination_duckdb import KEY, batches, schema
from penstock.destinations import open_destination
from penstock.destinations.base import Append, Checkpoint, Merge, Owner, Replace

CHECKPOINT = 50_000  # rows


def checkpoints(made, loads, write, first, rows):
    """Checkpoints of these rows, made as they are asked for."""
    for number, start in enumerate(range(first, first + rows, CHECKPOINT)):
        size = min(CHECKPOINT, first + rows - start)
        load_id = f"{loads}.{number}"
        last = start + size >= first + rows
        how = Replace(generation=loads, swap=last) if write == "replace" else write
        yield Checkpoint(
            load_id=load_id, run_id=loads, stream="messages", write=how, schema=made,
            batches=tuple(batches(made, start, size, load_id)),
        )  # fmt: skip


def making(made, first, rows):
    """Seconds of CPU that making the rows takes, which are not the destination's."""
    before = time.process_time()
    for _ in batches(made, first, rows, "x"):
        continue
    return time.process_time() - before


class Clock:
    """CPU of this process, and of the server's where there is one, and seconds."""

    def __init__(self, server):
        self._server = server

    def __enter__(self):
        self._before = (time.process_time(), self._server(), time.perf_counter())
        return self

    def __exit__(self, *_):
        after = (time.process_time(), self._server(), time.perf_counter())
        self.client, self.server, self.seconds = (
            b - a for a, b in zip(self._before, after, strict=True)
        )


def server_cpu():
    """Seconds of CPU of all processes called postgres on this machine."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition(")")
        except OSError:
            continue
        if name.endswith("(postgres"):
            total += sum(map(int, rest.split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def penstock(url, made, loads, work, server):
    write, first, rows = work
    owner = Owner(run_id=loads, pid=os.getpid(), host="bench")
    with Clock(server) as clock:
        session = open_destination(url).open(owner=owner, db_schema="bench")
        for one in checkpoints(made, loads, write, first, rows):
            session.commit(one)
        session.close()
    return clock


def by_hand(url, made, rows, server):
    with Clock(server) as clock:
        HANDS.get(url.partition(":")[0], hand_duckdb)(url, made, rows)
    return clock


KINDS = {
    "text": "text", "bool": "boolean", "bigint": "bigint", "double": "double precision",
    "timestamp": "timestamptz",
}  # fmt: skip


def create(execute, made):
    for table in made.tables:
        body = ", ".join(f'"{c.name}" {KINDS[c.type]}' for c in table.columns)
        execute(f'DROP TABLE IF EXISTS "hand_{table.name}"')
        execute(f'CREATE TABLE "hand_{table.name}" ({body})')


def hand_duckdb(url, made, rows):
    import duckdb  # noqa: PLC0415 (one of several)

    connection = duckdb.connect(f"{url}.hand", config={"threads": 1})
    KINDS["double"] = "double"
    create(connection.execute, made)
    for start in range(0, rows, CHECKPOINT):
        connection.execute("BEGIN")
        for batch in batches(made, start, min(CHECKPOINT, rows - start), "hand"):
            for name, data in batch.tables.items():
                connection.register("arrow", data)
                connection.execute(f'INSERT INTO "hand_{name}" SELECT * FROM arrow')
        connection.execute("COMMIT")
    connection.execute("CHECKPOINT")
    connection.close()


def pages(made, rows):
    """The rows of each checkpoint, by table."""
    for start in range(0, rows, CHECKPOINT):
        found = list(batches(made, start, min(CHECKPOINT, rows - start), "hand"))
        for table in made.tables:
            yield table.name, pa.concat_tables([batch.tables[table.name] for batch in found])


def hand_parquet(url, made, rows):
    import pyarrow.parquet as pq  # noqa: PLC0415 (one of several)

    folder = Path(url.partition(":")[2]) / "hand"
    for number, (name, data) in enumerate(pages(made, rows)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        with (folder / name / f"{number}.parquet").open("wb") as file:
            pq.write_table(data, file)
            os.fsync(file.fileno())


def hand_delta(url, made, rows):
    from deltalake import write_deltalake  # noqa: PLC0415 (one of several)

    folder = Path(url.partition(":")[2]) / "hand"
    for name, data in pages(made, rows):
        write_deltalake(str(folder / name), data, mode="append")


def hand_postgres(url, made, rows):
    import psycopg  # noqa: PLC0415 (one of several)

    options = csv.WriteOptions(include_header=False)
    with psycopg.connect(url) as connection:
        create(connection.execute, made)
        for start in range(0, rows, CHECKPOINT):
            for batch in batches(made, start, min(CHECKPOINT, rows - start), "hand"):
                for name, data in batch.tables.items():
                    with connection.cursor().copy(f'COPY "hand_{name}" FROM STDIN CSV') as copy:
                        for first in range(0, data.num_rows, 8192):
                            sink = pa.BufferOutputStream()
                            csv.write_csv(data.slice(first, 8192), sink, options)
                            copy.write(sink.getvalue().to_pybytes())
            connection.commit()


HANDS = {
    "parquet": hand_parquet,
    "delta": hand_delta,
    "postgresql": hand_postgres,
    "postgres": hand_postgres,
}


def report(name, clock, rows, made_in, base=None):
    client = clock.client - made_in
    cpu = (client + clock.server) / rows * 1e6
    wall = rows / max(clock.seconds - made_in, 1e-9)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    ratio = f"{cpu / base:>8.2f}" if base else f"{'':>8}"
    print(f"{name:<28}{wall:>12,.0f}{cpu:>12.2f}{ratio}{peak:>8}", flush=True)
    return cpu


def compare(url, shape, rows, only):
    """Every write mode of one shape of rows."""
    made = schema(nested=shape == "nested")
    server = server_cpu if "://" in url else float
    tenth, merge = rows // 10, Merge(key=KEY)
    made_in, some = making(made, 0, rows), making(made, 0, tenth)
    base = report(f"{shape} by hand", by_hand(url, made, rows, server), rows, made_in)
    works = (
        ("append", Append(), 0, rows, made_in),
        ("append a tenth", Append(), rows, tenth, some),
        ("merge 10 % changed", merge, 0, tenth, some),
        ("replace", "replace", 0, rows, made_in),
        ("merge all new", merge, rows * 2, rows, made_in),
    )
    for number, (name, write, first, size, own) in enumerate(works):
        if only in name:
            clock = penstock(url, made, f"{shape}{number}", (write, first, size), server)
            report(f"{shape} {name}", clock, size, own, base)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("destination", help="duckdb, parquet, delta, or a Postgres URL")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--nested", type=int, default=100_000)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    postgres = "://" in arguments.destination
    print(f"{'workload':<28}{'rows/s':>12}{'CPU µs/row':>12}{'ratio':>8}{'MB':>8}")
    for shape, rows in (("flat", arguments.rows), ("nested", arguments.nested)):
        if not rows:
            continue
        with tempfile.TemporaryDirectory() as directory:
            url = f"{directory}/bench_{shape}.duckdb"
            if postgres:
                url = arguments.destination
            elif arguments.destination != "duckdb":
                url = f"{arguments.destination}:{directory}"
            if postgres:
                wipe(url)
            compare(url, shape, rows, arguments.only)


def wipe(url):
    import psycopg  # noqa: PLC0415 (one of several)

    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")


if __name__ == "__main__":
    main()
