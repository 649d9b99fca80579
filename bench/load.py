"""What loading costs: rows that are Arrow already, into a destination, by every write mode.

The rows are made before any clock starts and lie in memory when it does; each trial is a process
of its own. Beside each of Penstock's stands the destination's own fastest path for the same rows,
written by hand (`bench/hands.py`), with the same files, tables and rows there before. `ratio` is
the median of the ratios of such pairs, in CPU seconds (user and system) of the process and, for
Postgres, of the server's too. Flat rows are messages of 24 columns; nested ones have four child
tables with a row each.

    python bench/load.py duckdb [--rows 1000000] [--nested 100000] [--rounds 3] [--until NAME]
    python bench/load.py parquet
    python bench/load.py delta
    python bench/load.py postgres         a server is started, of the tests' own (pgserver)
    python bench/load.py postgresql://postgres@localhost/bench

The limits are a ratio of 1.5 against work by hand, and for a merge of a tenth of changed rows three
times an append of as many, which the last column says.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from common import cpus
from hands import HANDS
from penstock.destinations import open_destination
from penstock.destinations.base import Append, Checkpoint, Merge, Owner, Replace
from penstock.shape.schema import Batch
from rows import BLOCK, KEY, batches, schema

CHECKPOINT = 50_000  # root rows


def works(rows):
    """What is done, one after the other: its name, how, the ids that come, other values or not."""
    tenth = rows // 10
    return (
        ("append", "append", range(rows), 0),
        ("append a tenth", "append", range(rows, rows + tenth), 0),
        ("merge, last tenth changed", "merge", range(rows - tenth, rows), 1),
        ("merge, every tenth changed", "merge", range(0, rows, 10), 2),
        ("merge, a tenth is new", "merge", range(2 * rows, 2 * rows + tenth), 0),
        ("replace", "replace", range(rows), 3),
        ("merge, all new", "merge", range(3 * rows, 4 * rows), 0),
    )


class Clock:
    """CPU of this process, and of the server's where there is one, seconds, and memory."""

    def __init__(self, server):
        self._server = (lambda: cpu_of_tree(server)) if server else (lambda: 0.0)

    def __enter__(self):
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        self._held = _memory("VmRSS")
        self._before = (time.process_time(), self._server(), time.perf_counter())
        return self

    def __exit__(self, *_):
        after = (time.process_time(), self._server(), time.perf_counter())
        client, server, self.wall = (b - a for a, b in zip(self._before, after, strict=True))
        self.cpu = client + server
        self.peak = (_memory("VmHWM") - self._held) / 1024


def _memory(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(name)


def cpu_of_tree(server):
    """Seconds of CPU of a server's process, of those that it started, and of those that ended."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        if server in {int(stat.parent.name), int(fields[1])}:
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def trial(task):
    """Do one piece of work, by Penstock or by hand, in this process; print what it took."""
    made = schema(nested=task["nested"])
    loads = list(_loads(task["folder"], made))
    warm(task["kind"])
    with Clock(task["server"]) as clock:
        if task["by_hand"]:
            HANDS[task["kind"]](task["place"], made, task["write"], loads)
        else:
            by_penstock(task, made, loads)
    print(json.dumps({"cpu": clock.cpu, "wall": clock.wall, "peak": clock.peak}))


def _loads(folder, made):
    """The rows of each checkpoint, read into memory."""
    tables = {t.name: pa.ipc.open_file(f"{folder}/{t.name}.arrow").read_all() for t in made.tables}
    rows = tables[made.root.name].num_rows
    for start in range(0, rows, CHECKPOINT):
        ends = range(start, min(start + CHECKPOINT, rows), BLOCK)
        yield tuple(
            Batch(tables={n: data.slice(first, BLOCK) for n, data in tables.items()})
            for first in ends
        )


def warm(kind):
    """Import and begin what a process does once, and read the driver from the disk."""
    import pyarrow.parquet  # noqa: F401, PLC0415 (one of several)

    import penstock.destinations._lake  # noqa: F401, PLC0415 (the same)
    from penstock.destinations._duckdb_scratch import scratch  # noqa: PLC0415 (the same)

    scratch().close()
    if kind == "delta":
        import deltalake  # noqa: F401, PLC0415 (the same)
    if kind == "postgres":
        import psycopg  # noqa: F401, PLC0415 (the same)


def by_penstock(task, made, loads):
    run = task["name"]
    write = {"append": Append(), "merge": Merge(key=KEY)}.get(task["write"])
    owner = Owner(run_id=run, pid=os.getpid(), host="bench", alone=True)
    place = f"{task['place']}/bench_load.duckdb" if task["kind"] == "duckdb" else task["place"]
    session = open_destination(place).open(owner=owner, db_schema="bench")
    for number, load in enumerate(loads):
        how = write or Replace(generation=run, swap=number == len(loads) - 1)
        session.commit(
            Checkpoint(
                load_id=f"{run}.{number}", run_id=run, stream="messages", write=how, schema=made,
                batches=load, state=(("cursor", str(number)),),
            )
        )  # fmt: skip
    session.close()


def measured(task):
    done = subprocess.run(
        [sys.executable, __file__, "--trial", json.dumps(task)],
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def keep_rows(folder, made, ids, load_id, salt):
    folder.mkdir()
    sinks = {t.name: pa.OSFile(str(folder / f"{t.name}.arrow"), "wb") for t in made.tables}
    writers = {}
    for batch in batches(made, ids, load_id, salt):
        for name, data in batch.tables.items():
            if name not in writers:
                writers[name] = pa.ipc.new_file(sinks[name], data.schema)
            writers[name].write_table(data)
    for name, writer in writers.items():
        writer.close()
        sinks[name].close()


def compare(where, shape, size, arguments):
    """Every write mode of one shape of rows, in pairs."""
    kind, url, server = where
    made, found = schema(nested=shape == "nested"), {}
    todo = works(size)
    with tempfile.TemporaryDirectory() as prepared:
        for number, (_, _, ids, salt) in enumerate(todo):
            keep_rows(Path(prepared) / str(number), made, ids, f"load{number}", salt)
        for _ in range(arguments.rounds):
            with fresh(kind, url) as place:
                for number, (name, write, ids, _) in enumerate(todo):
                    task = {
                        "kind": kind, "place": place, "server": server, "name": name,
                        "write": write, "nested": shape == "nested",
                        "folder": f"{prepared}/{number}",
                    }  # fmt: skip
                    pair = [measured({**task, "by_hand": hand}) for hand in (True, False)]
                    found.setdefault(name, []).append((*pair, len(ids)))
                    if name == arguments.until:
                        break
    for name, pairs in found.items():
        report(f"{shape} {name}", pairs, found.get("append a tenth"))


def report(name, pairs, appends):
    rows = pairs[0][2]
    hand, ours = ([p[i]["cpu"] for p in pairs] for i in (0, 1))
    ratios = [b / a for a, b in zip(hand, ours, strict=True)]
    wall = statistics.median(p[1]["wall"] for p in pairs)
    line = f"{name:<34}{rows / wall:>11,.0f}"
    for values in (ours, hand):
        line += f"{statistics.median(values) / rows * 1e6:>9.2f}"
    line += f"{statistics.median(ratios):>7.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    line += f"{max(p[1]['peak'] for p in pairs):>7.0f}"
    if appends and "tenth" in name and "merge" in name:
        times = [o / a[1]["cpu"] for o, a in zip(ours, appends, strict=True)]
        line += f"{statistics.median(times):>7.2f}"
    print(line, flush=True)


@contextmanager
def fresh(kind, url):
    """An empty place."""
    if kind == "postgres":
        import psycopg  # noqa: PLC0415 (one of several)

        with psycopg.connect(url) as connection:
            for name in ("bench", "hand"):
                connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        yield url
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        yield directory if kind == "duckdb" else f"{kind}:{directory}"


@contextmanager
def opened(destination):
    """The kind of a destination, its URL, and the process of its server."""
    if destination in {"duckdb", "parquet", "delta"}:
        yield destination, "", None
    elif destination == "postgres":
        import pgserver  # noqa: PLC0415 (one of several)

        with tempfile.TemporaryDirectory() as directory:
            server = pgserver.get_server(directory)
            try:
                yield "postgres", server.get_uri(), server.get_pid()
            finally:
                server.cleanup()
    else:
        import psycopg  # noqa: PLC0415 (one of several)

        with psycopg.connect(destination) as connection:
            [folder] = connection.execute("SHOW data_directory").fetchone()
        yield "postgres", destination, int(Path(folder, "postmaster.pid").read_text().split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("destination", nargs="?", help="duckdb, parquet, delta, postgres, or a URL")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--nested", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--until", default="", help="the last work to do, by its name")
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.trial:
        trial(json.loads(arguments.trial))
        return
    print(cpus())
    heads = f"{'rows/s':>11}{'µs/row':>9}{'by hand':>9}  ratio{'MB':>22}{'appends':>9}"
    print(f"{arguments.destination:<34}{heads}")
    with opened(arguments.destination) as where:
        for shape, size in (("flat", arguments.rows), ("nested", arguments.nested)):
            if size:
                compare(where, shape, size, arguments)


if __name__ == "__main__":
    main()
