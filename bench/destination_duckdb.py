"""What the DuckDB destination costs over DuckDB itself, in CPU per row.

Rows are Arrow already; the baseline is a hand-written `INSERT … SELECT * FROM arrow` (append) or
`DELETE … USING arrow` and such inserts (merge) of the same batches, one transaction a checkpoint.

    python bench/destination_duckdb.py [--rows 100000] [--rounds 3] [--threads 1] [--only flat]
    python bench/destination_duckdb.py --flat-memory     one million rows in ten checkpoints
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import duckdb

from penstock.destinations import duckdb as kept
from penstock.destinations import open_destination
from penstock.destinations.base import Append, Checkpoint, Merge, Owner
from penstock.shape.schema import PARENT_ID, ROW_ID
from rows import KEY, batches, schema


def by_penstock(path, made, loads, write, threads):
    kept.SETTINGS["threads"] = threads
    owner = Owner(run_id="bench", pid=os.getpid(), host="bench", alone=True)
    session = open_destination(str(path)).open(owner=owner, db_schema="bench")
    for load_id, load in loads:
        session.commit(
            Checkpoint(
                load_id=load_id,
                run_id="bench",
                stream="messages",
                write=write,
                schema=made,
                batches=load,
                state=(("cursor", '"x"'),),
            )
        )
    session.close()


def by_hand(path, made, loads, write, threads):
    connection = duckdb.connect(str(path), config={"threads": threads})
    root = made.root.name
    for table in made.tables:
        body = ", ".join(f'"{c.name}" {kept_type(c)}' for c in table.columns)
        connection.execute(f'CREATE TABLE "{table.name}" ({body})')
    for _, load in loads:
        connection.execute("BEGIN")
        for batch in load:
            if isinstance(write, Merge):
                connection.register("arrow", batch.tables[root])
                for table in made.tables[1:]:
                    connection.execute(
                        f'DELETE FROM "{table.name}" WHERE {PARENT_ID} IN '
                        f'(SELECT {ROW_ID} FROM "{root}" WHERE id IN (SELECT id FROM arrow))'
                    )
                connection.execute(f'DELETE FROM "{root}" r USING arrow s WHERE r.id = s.id')
            for name, data in batch.tables.items():
                connection.register("arrow", data)
                connection.execute(f'INSERT INTO "{name}" SELECT * FROM arrow')
        connection.execute("COMMIT")
    connection.execute("CHECKPOINT")
    connection.close()


def kept_type(column):
    return {"text": "VARCHAR", "timestamp": "TIMESTAMPTZ", "bool": "BOOLEAN"}.get(
        column.type, column.type
    )


def cpu(work, *arguments):
    with tempfile.TemporaryDirectory() as directory:
        before = time.process_time()
        work(Path(directory) / "bench.duckdb", *arguments)
        return time.process_time() - before


def compare(arguments):
    print(f"{'workload':<16}{'penstock':>10}{'by hand':>10}{'ratio':>8}   (CPU µs per root row)")
    for nested in (False, True):
        shape = "nested" if nested else "flat"
        if arguments.only not in {"", shape}:
            continue
        made = schema(nested=nested)
        again_ids = range(arguments.rows // 2, arguments.rows * 3 // 2)
        loads = [("a", list(batches(made, range(arguments.rows), "a")))]
        again = [*loads, ("b", list(batches(made, again_ids, "b")))]
        for name, write, work in (("append", Append(), loads), ("merge", Merge(key=KEY), again)):
            rows = arguments.rows * len(work)
            pairs = [
                (
                    cpu(by_penstock, made, work, write, arguments.threads),
                    cpu(by_hand, made, work, write, arguments.threads),
                )
                for _ in range(arguments.rounds)
            ]
            ours, hand = (statistics.median(p[i] for p in pairs) / rows * 1e6 for i in (0, 1))
            ratio = statistics.median(a / b for a, b in pairs)
            print(f"{shape + ' ' + name:<16}{ours:>10.2f}{hand:>10.2f}{ratio:>8.2f}")


def flat_memory(arguments):
    """Print the peak after each of ten checkpoints: it must not grow with the rows kept."""
    made = schema(nested=False)
    with tempfile.TemporaryDirectory() as directory:
        owner = Owner(run_id="bench", pid=os.getpid(), host="bench", alone=True)
        kept.SETTINGS["threads"] = arguments.threads
        kept.SETTINGS["memory_limit"] = arguments.memory
        session = open_destination(f"{directory}/x.duckdb").open(owner=owner, db_schema="bench")
        for n in range(10):
            load = batches(made, range(n * 100_000, (n + 1) * 100_000), str(n))
            session.commit(
                Checkpoint(
                    load_id=str(n), run_id="bench", stream="messages",
                    write=Merge(key=KEY) if arguments.merge else Append(), schema=made,
                    batches=tuple(load),
                )
            )  # fmt: skip
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{(n + 1) * 100_000:>9,} rows: peak {peak} MB", flush=True)
        session.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=kept.SETTINGS["threads"])
    parser.add_argument("--memory", default=kept.SETTINGS["memory_limit"])
    parser.add_argument("--only", default="", choices=["", "flat", "nested"])
    parser.add_argument("--flat-memory", action="store_true")
    parser.add_argument("--merge", action="store_true", help="with --flat-memory")
    arguments = parser.parse_args()
    (flat_memory if arguments.flat_memory else compare)(arguments)


if __name__ == "__main__":
    main()
