"""Scenarios in the columns of dlt: loaded by Penstock alone, and gone on with after dlt."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
from tests.destinations.postgres_server import drop_database, fresh_database
from tests.parity.dlt import mirror
from tests.parity.dlt.chance import answers
from tests.parity.dlt.continued import RESTORE
from tests.parity.dlt.data import Parts
from tests.parity.dlt.harness import Case, Oracle, Outcome, run_penstock
from tests.parity.dlt.server import Stage

from penstock.engine import Options

DLT, ALONE, AFTER = "dlt.duckdb", "penstock.duckdb", "after.duckdb"


class Datasets:
    """Datasets by the files that they are in, or that show what is in databases."""

    def __init__(self, *, postgres: bool) -> None:
        self._postgres = postgres
        self._urls: dict[Path, str] = {}

    def url(self, file: Path) -> str | None:
        """The database that a file shows, if datasets are in such."""
        if self._postgres and file not in self._urls:
            self._urls[file] = fresh_database()
        return self._urls.get(file)

    def copy(self, source: Path, target: Path) -> None:
        """Make a dataset that holds what another does."""
        shutil.copy(source, target)
        if source in self._urls:
            self._urls[target] = fresh_database(self._urls[source])

    def close(self) -> None:
        """Let go of the databases."""
        for url in self._urls.values():
            drop_database(url)


class Turns:
    """A scenario in three datasets: of dlt, of Penstock, and of both in turns."""

    def __init__(
        self,
        case: Case,
        apis: Parts,
        oracle: Oracle,
        stages: tuple[Stage, Stage],
        folder: Path,
        *,
        datasets: Datasets,
    ) -> None:
        self._case, self._apis, self._oracle = case, apis, oracle
        self._stages, self._folder, self._datasets = stages, folder, datasets
        self.theirs: list[Outcome] = []
        self.ours: list[Outcome] = []
        self.after: list[Outcome] = []  # Penstock's second run, and dlt's third
        self.lost: list[str] = []

    def play(self, *, back: str) -> None:
        """All runs, and one of dlt behind those of a dataset."""
        for which in range(1, self._case.runs + 1):
            if which > 1 and (self._folder / DLT).exists() and not self.theirs[0].error:
                self._datasets.copy(self._folder / DLT, self._folder / AFTER)
            self.theirs.append(self._dlt(self._folder, which))
            self.ours.append(self._penstock(ALONE, which))
            pairs = [(ALONE, self.ours)]
            if (self._folder / AFTER).exists():
                self.after.append(self._penstock(AFTER, which))
                pairs.append((AFTER, self.after))
            for file, done in pairs:
                there = (self._folder / DLT).exists() and (self._folder / file).exists()
                if there and not (self.theirs[-1].error or done[-1].error):
                    lost = _marks(self._folder / DLT, self._folder / file)
                    self.lost += [f"run {which}: {file}: {line}" for line in lost]
        self._back(back, self.after if back == AFTER else self.ours)

    def _back(self, file: str, done: list[Outcome]) -> None:
        """Let dlt go on with its own dataset and another, from what it finds there alone."""
        files = [self._folder / DLT, self._folder / file]
        if any(o.error for o in (*self.theirs, *done)) or not all(f.exists() for f in files):
            return
        if _untold(self._case.config("")):
            return
        for nth, held in enumerate((self.theirs, done)):
            folder = self._folder / f"back{nth}"
            folder.mkdir()
            self._datasets.copy(files[nth], folder / DLT)
            held.append(self._dlt(folder, self._case.runs + 1))

    def _dlt(self, folder: Path, which: int) -> Outcome:
        stage = self._stages[0]
        stage.play(answers.api(self._apis), which)
        config = self._case.config(stage.base)
        url = self._datasets.url(folder / DLT)
        where = {"postgres": mirror.whole(url)} if url else {}
        done = self._oracle.run("parity", config, folder, settings=RESTORE, **where)
        if url:
            done["tables"] = mirror.tables(url, "parity", folder / DLT)
        tables = placeless(done["tables"], self._stages)
        return Outcome(heard=stage.heard, tables=tables, error=done["error"])

    def _penstock(self, file: str, which: int) -> Outcome:
        stage = self._stages[1]
        stage.play(answers.api(self._apis), which)
        options = Options(dlt_columns=True, db_schema="parity")
        config, url = self._case.config(stage.base), self._datasets.url(self._folder / file)
        tables, error, receipts = run_penstock(config, self._folder, options, file, url)
        tables = placeless(tables, self._stages)
        return Outcome(heard=stage.heard, tables=tables, error=error, receipts=receipts)


def placeless(value: Any, stages: tuple[Stage, ...]) -> Any:
    """What is stored, with the same address for every API: records may hold links to it."""
    if isinstance(value, dict):
        return {k: placeless(v, stages) for k, v in value.items()}
    if isinstance(value, list):
        return [placeless(v, stages) for v in value]
    for stage in stages if isinstance(value, str) else ():
        value = value.replace(stage.base, "http://api")
    return value


def _untold(config: Parts) -> bool:
    """Whether there is a cursor that dlt is not told of: of a resource that others alone need."""
    left = (r for r in config["resources"] if isinstance(r, dict) and not r.get("selected", True))
    return any("incremental" in str(r["endpoint"]).lower() for r in left)  # a class may say it


# What dlt's columns say.


def _marks(theirs: Path, ours: Path) -> list[str]:
    """Where the columns of dlt are others than its own, or lead nowhere."""
    their, our = _columns(theirs), _columns(ours)
    found = [f"{table}: dlt has {sorted(their[table])}, penstock {sorted(our[table])}"
             for table in sorted(set(their) & set(our)) if their[table] != our[table]]  # fmt: skip
    held = _all_lost(theirs, their) if ours.name == AFTER else []  # by the loads of dlt itself
    known = {line.partition(" x ")[2] for line in held}
    return found + [line for line in _all_lost(ours, our) if line.partition(" x ")[2] not in known]


def _all_lost(file: Path, columns: dict[str, set[str]]) -> list[str]:
    with duckdb.connect(str(file), read_only=True) as con:
        con.execute("SET schema = 'parity'")
        return [f"{line} in {table}" for table, names in columns.items()
                for line in _lost(con, table, names)]  # fmt: skip


def _columns(file: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    told = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = "
        "'parity' AND starts_with(column_name, '_dlt_') AND NOT starts_with(table_name, '_')"
    )
    with duckdb.connect(str(file), read_only=True) as con:
        for table, column in con.execute(told).fetchall():
            found.setdefault(table, set()).add(column)
    return found


def _lost(con: Any, table: str, columns: set[str]) -> list[str]:
    """Rows whose marks are of nobody, or of several."""
    found = []
    asks = {
        "ids that come twice": f'SELECT _dlt_id FROM "{table}" GROUP BY 1 HAVING count(*) > 1',
        "rows without an id": f'SELECT 1 FROM "{table}" WHERE _dlt_id IS NULL',
    }
    if "_dlt_load_id" in columns:
        asks["rows of no load"] = (
            f'SELECT _dlt_load_id FROM "{table}" EXCEPT SELECT load_id FROM _dlt_loads'
        )
    for what, ask in asks.items():
        count = len(con.execute(ask).fetchall())
        found += [f"{count} x {what}"] if count else []
    return found
