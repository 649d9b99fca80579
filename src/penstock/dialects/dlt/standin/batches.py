"""Runs that a script asks for and then asks about: they are loaded while it waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout

import msgspec

from penstock.dialects.dlt.standin.assemble import crossed
from penstock.dialects.dlt.standin.base import marks, record
from penstock.dialects.dlt.standin.base.errors import PipelineStepFailed, Refusal
from penstock.dialects.dlt.standin.chosen import Built, built_of
from penstock.dialects.dlt.standin.resources.nodes import Reader
from penstock.dialects.dlt.standin.resources.remembered import by_time
from penstock.dialects.dlt.standin.resources.settled import settle
from penstock.dialects.document import Document, Loaded, Loader
from penstock.errors import Error
from penstock.plan.target import Pipeline, Target

_WHOLE = {"done", "skipped"}


class Batches:
    """Loads the runs of one script, those to one place together.

    `failure` is why a load did not even begin; a script may have caught it.
    """

    def __init__(self, document: Document, held: record.Record, loader: Loader) -> None:
        self._document = document
        self._record = held
        self._loader = loader
        self._stdout = sys.stdout
        self.failure: Error | None = None

    def load(self, runs: list[record.AskedRun]) -> None:
        """Load these runs.

        Raises:
            PipelineStepFailed: not all of their rows could be loaded.
            SystemExit: the user has stopped it.
        """
        self._record.taken = len(self._record.runs)
        for group, as_it_was in by_time(runs):
            with as_it_was():
                self._load(group)

    def _load(self, runs: list[record.AskedRun]) -> None:
        settle(self._record)
        runs = separated(self._document, runs)
        places: dict[record.Place, list[record.AskedRun]] = {}
        for run in runs:
            places.setdefault(run.place, []).append(run)
        for place, batch in places.items():
            document = self._read(built_of(batch))
            with self._paused(), record.active(place[0]):
                loaded = self._loaded(document)
            self._record.done.update({run.number: loaded.of(run.said) for run in batch})
            if loaded.status == "interrupted":
                raise SystemExit
            if loaded.status not in _WHOLE:
                message = f"the pipeline {place[0]!r} was not loaded in full"
                raise PipelineStepFailed(message, place[0])

    def _loaded(self, document: Document) -> Loaded:
        try:
            if not _in_a_loop():
                return self._loader.load(document)
            with ThreadPoolExecutor(1, "script") as beside:  # a run has a loop of its own
                return beside.submit(self._loader.load, document).result()
        except Error as exc:
            self.failure = exc
            raise

    def _read(self, built: Built) -> Document:
        return document_of(self._document, built)

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """No script is being executed: dicts are dicts, values are values, stdout is for data."""
        texts = marks.put_away()
        try:
            with record.suspended(), redirect_stdout(self._stdout):
                yield
        finally:
            marks.take_up(texts)


def separated(script: Document, runs: Sequence[record.AskedRun]) -> list[record.AskedRun]:
    """The runs, those in batches of their own that cannot be one with those before.

    So it is where resources that are called the same differ in what a stream has once only.
    """
    found: list[record.AskedRun] = []
    places: dict[record.Place, list[record.AskedRun]] = {}
    for run in runs:
        places.setdefault(run.place, []).append(run)
    number = max((run.batch for run in runs), default=0)
    for batch in places.values():
        parts = [batch] if _is_one(script, batch) else _parts(script, batch)
        found += parts[0]
        for part in parts[1:]:
            number += 1
            found += [msgspec.structs.replace(run, batch=number) for run in part]
    return sorted(found, key=lambda run: run.number)


def _parts(script: Document, batch: Sequence[record.AskedRun]) -> list[list[record.AskedRun]]:
    """The runs in as few parts as can be loaded together, one after the other.

    Whether a run fits is seen by the first of a part that have its names: the others are like them.
    """
    parts, first = [[batch[0]]], _First(batch[0])
    for run in batch[1:]:
        if _is_one(script, [*first.like(run), run]):
            parts[-1].append(run)
            first.note(run)
        else:
            parts.append([run])
            first = _First(run)
    return [part for whole in parts for part in _looked_over(script, whole)]


class _First:
    """The first run of a part, and the first that has each name."""

    def __init__(self, run: record.AskedRun) -> None:
        self._run = run
        self._by_name = dict.fromkeys(run.said, run)

    def note(self, run: record.AskedRun) -> None:
        """A run more."""
        for name in run.said:
            self._by_name.setdefault(name, run)

    def like(self, run: record.AskedRun) -> list[record.AskedRun]:
        """Those by which it is seen whether another one fits."""
        found = [self._run, *(self._by_name[name] for name in run.said if name in self._by_name)]
        return list({one.number: one for one in found}.values())


def _looked_over(script: Document, part: Sequence[record.AskedRun]) -> list[list[record.AskedRun]]:
    """The part, if all of it can be one; else as much as can, run by run."""
    if _is_one(script, part):
        return [list(part)]
    parts = [[part[0]]]
    for run in part[1:]:
        if _is_one(script, [*parts[-1], run]):
            parts[-1].append(run)
        else:
            parts.append([run])
    return parts


def _is_one(script: Document, batch: Sequence[record.AskedRun]) -> bool:
    """Whether runs can be loaded together."""
    if len(batch) == 1:
        return True
    if crossed(source for run in batch for source in run.sources) is not None:
        return False
    try:
        built = built_of(batch)
    except Refusal:  # their clients say what only a whole source can have
        return False
    names = [name for run in batch for name in run.said]
    if len(set(names)) == len(names):
        return True
    from penstock.dialects import compile_document  # noqa: PLC0415 (few scripts)

    document = document_of(script, built)
    document.of_runs = True
    compiled = compile_document(document, None)
    return all(said.code != "duplicate-name" for said in compiled.diagnostics)


def _in_a_loop() -> bool:
    """Whether the script is asynchronous here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def document_of(script: Document, built: Built) -> Document:
    """A document of its own for a part of what a script built."""
    made = Document(file=script.file, kind=script.kind, text=script.text)
    made.body, made.lookup = script.body, script.lookup
    fill(made, Reader(made, script.file), built)
    return made


def fill(document: Document, reader: Reader, built: Built) -> None:
    """Give a document what a script built."""
    document.root = reader.root(built.config, built.spot)
    document.more = [reader.root(config, None) for config in built.more]
    if built.name:
        document.name = built.name
    if built.run is not None:
        document.pipeline = Pipeline(name=built.run.pipeline, schema=built.run.schema)
        document.target = Target(
            destination=built.run.destination,
            db_schema=built.run.dataset,
            full_refresh=built.run.fresh,
            keep_columns=built.run.refresh == "drop_data",
        )
