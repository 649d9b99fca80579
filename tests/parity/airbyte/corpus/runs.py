"""Runs every stream of real manifests through both engines, and tells where they differ.

What the reference engine did is kept on disk, so that a second run asks Penstock alone:

    python -m tests.parity.airbyte.corpus.runs --kept DIR [--only source-a/stream] [--part 1/2]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml
from tests.parity.airbyte.corpus.api import answering, described, faults_of
from tests.parity.airbyte.corpus.reading import walk
from tests.parity.airbyte.corpus.stubs import custom, known, usual, written
from tests.parity.airbyte.corpus.values import NOW, Maker, cursors, fixed_start, reach, read
from tests.parity.airbyte.harness import (
    Asked,
    Case,
    Reference,
    Seen,
    Server,
    as_messages,
    differences,
    ours,
)

from penstock.dialects import compile_document
from penstock.dialects.airbyte.manifest import Component, References, nodes, replaced
from penstock.dialects.document import Document
from penstock.dialects.from_yaml import read_yaml
from penstock.dialects.loading import read_text
from penstock.errors import Error
from penstock.plan.source import Source

VERSION = 6  # of the answers: what was kept before another one is of no use
LATER = timedelta(days=3)
MOST = 1500  # requests of one run
PATIENCE = 60.0  # seconds for one run


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How the engines compare on one run of one stream."""

    manifest: str
    stream: str
    run: str
    lines: list[str]
    requests: int = 0
    records: int = 0
    failed: bool = False
    said: list[str] = []


def expanded(text: str) -> dict[str, Any]:
    """A manifest with references followed and parameters handed down."""
    document = Document(file="manifest.yaml", kind="yaml", text=text)
    document.root = read_yaml(document, text)
    references = References(document)
    references.check()
    root = document.root
    kind = {"type": nodes("DeclarativeSource", root), **root.mapping}
    return Component(references, replaced(root, kind)).expanded()  # type: ignore[return-value]  # a mapping


class Manifest:
    """A manifest's file, and what is made of it once."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file = file
        self.text = file.read_text()
        self.whole = expanded(self.text)
        self.classes = written(self.whole, folder, file.stem)
        self.plain = yaml.load(self.text, Loader=yaml.CSafeLoader)
        self._plans: dict[str, Source | Error] = {}

    def streams(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The names and descriptions of its streams; all that an API names are one."""
        for stream in self.whole.get("streams") or ():
            held = stream.get("streams") if stream.get("type") == "ConditionalStreams" else [stream]
            for one in held:
                yield str(one.get("name")), one
        if self.whole.get("dynamic_streams"):
            yield "", {"type": "all", "of": self.whole["dynamic_streams"], "name": ""}

    def plan(self, values: dict[str, Any]) -> Source:
        """The plan for some values.

        Raises:
            Error: it has none.
        """
        key = json.dumps(values, sort_keys=True, default=str)
        if key not in self._plans:
            self._plans = dict([*self._plans.items()][-3:])
            try:
                document = read_text(self.text, file=str(self.file), suffix=".yaml")
                document.components = Path(self.classes[0]) if self.classes[0] else None
                self._plans[key] = compile_document(document, values).need()
            except Error as exc:
                self._plans[key] = exc
        found = self._plans[key]
        if isinstance(found, Error):
            raise found
        return found


class Engines:
    """Both engines, and what the reference engine did before."""

    def __init__(self, python: str, kept: Path) -> None:
        self.server = Server(most=MOST)
        self.kept = kept
        self._python = python
        self._reference: Reference | None = None

    def theirs(self, case: Case, state: list[dict[str, Any]], shape: Any) -> Seen:
        """What the reference engine makes of a case."""
        known = json.dumps(
            [VERSION, shape, case.config, state, case.now, case.streams],
            sort_keys=True,
            default=str,
        )
        classes = Path(case.classes[0]).read_text() if case.classes[0] else ""
        told = hashlib.sha256(
            f"{known}{case.file}{json.dumps(case.manifest, default=str)}{classes}".encode()
        )
        file = self.kept / f"{told.hexdigest()[:32]}.json"
        if file.exists():
            return _loaded(file.read_bytes())
        if self._reference is None:
            self._reference = Reference(self._python, self.server, patience=PATIENCE)
        seen = self._reference.run(case, state)
        file.write_bytes(_dumped(seen))
        return seen

    def close(self) -> None:
        """End both."""
        if self._reference is not None:
            self._reference.close()
        self.server.close()


def _dumped(seen: Seen) -> bytes:
    made = {f: getattr(seen, f) for f in seen.__struct_fields__}
    made["waits"] = [[k, v] for k, v in seen.waits.items()]
    made["failed"] = sorted(seen.failed)
    return msgspec.json.encode(made)


def _loaded(text: bytes) -> Seen:
    made = msgspec.json.decode(text)
    return Seen(
        asked=tuple(msgspec.convert(made["asked"], list[Asked])),
        records={n: Counter(rows) for n, rows in made["records"].items()},
        states=made["states"],
        failed=frozenset(made["failed"]),
        waits=Counter(dict(made["waits"])),
        errors=tuple(made["errors"]),
        endless=made["endless"],
    )


def runs(
    manifest: Manifest, name: str, own: dict[str, Any], engines: Engines, kinds: set[str]
) -> Iterator[Told]:
    """The comparisons of one stream."""
    stream = usual(own)
    turn = zlib.crc32(f"{manifest.file.stem}/{name}".encode())
    span = reach(stream)
    spec = (manifest.whole.get("spec") or {}).get("connection_specification") or read(stream)
    values = Maker(stream, NOW - span, NOW, turn).all(spec)
    start = fixed_start(stream, values)
    now = NOW if start is None else start + span
    if start is not None:
        values = Maker(stream, start, now, turn).all(spec)
    shape = described(stream, values, turn)
    parents = {str(p.get("type")) for p in walk(stream)}
    many = bool({"SubstreamPartitionRouter", "CustomPartitionRouter"} & parents)
    try:
        plan, refusal = manifest.plan(values), None
    except Error as exc:
        plan, refusal = None, exc
    case = Case(
        name=f"{manifest.file.stem}: {name}",
        manifest={},
        config=values,
        api=answering(shape, now),
        streams=(name,) if name else (),
        waits=False,
        alike=many,
        headers=_headers(stream),
        now=now.isoformat(),
        plan=plan,
        file=(str(manifest.file), name),
        classes=manifest.classes if any(custom(own)) else ("", ()),
    )
    theirs = engines.theirs(case, [], shape)
    if refusal is not None:
        yield _told(case, "fresh", theirs, _refused(refusal))
        return
    if "fresh" in kinds:
        yield _told(case, "fresh", theirs, ours(case, (), engines.server))
    if "later" in kinds and cursors(stream) and theirs.states:
        later = now + LATER
        again = msgspec.structs.replace(case, api=answering(shape, later), now=later.isoformat())
        state = as_messages(theirs.states)
        seen = engines.theirs(again, state, shape)
        yield _told(again, "later", seen, ours(again, state, engines.server))
    if "faults" in kinds and not manifest.whole.get("api_budget"):
        faults = faults_of(stream, now)
        faulted = msgspec.structs.replace(case, waits=True, api=answering(shape, now, faults))
        seen = engines.theirs(faulted, [], [shape, faults])
        yield _told(faulted, "faults", seen, ours(faulted, (), engines.server))


def _refused(exc: Error) -> Seen:
    """What is seen of a manifest that is refused before anything is asked."""
    return Seen(
        asked=(),
        records={},
        states={},
        failed=frozenset({"*"}),
        waits=Counter(),
        errors=(f"ours refuses: {exc}",),
    )


def _headers(stream: dict[str, Any]) -> tuple[str, ...]:
    """The headers that a manifest speaks of."""
    found = set()
    for part in walk(stream):
        held = part.get("request_headers")
        found |= {str(k).lower() for k in held} if isinstance(held, dict) else set()
        if part.get("inject_into") == "header":
            found.add(str(part.get("field_name")).lower())
        if part.get("type") == "ApiKeyAuthenticator" and part.get("header"):
            found.add(str(part["header"]).lower())
    return tuple(sorted(found - {"accept-encoding", "user-agent", "host", "connection"}))


def _told(case: Case, run: str, theirs: Seen, mine: Seen) -> Told:
    manifest, stream = case.name.split(": ", 1)
    return Told(
        manifest=manifest,
        stream=stream,
        run=run,
        lines=differences(theirs, mine, case),
        requests=len(theirs.asked),
        records=sum(sum(rows.values()) for rows in theirs.records.values()),
        failed=bool(theirs.failed),
        said=[e[:300] for e in theirs.errors[:2]],
    )


def chosen(folder: Path, only: str, part: str) -> list[Path]:
    """The files of a run."""
    files = sorted(folder.glob("*.yaml"))
    names = {n.split("/")[0] for n in only.split(",")} if only else set()
    files = [f for f in files if not names or f.stem in names]
    at, of = map(int, part.split("/"))
    return [
        f for i, f in enumerate(sorted(files, key=lambda f: f.stat().st_size)) if i % of == at - 1
    ]


def compare_all(
    files: list[Path], engines: Engines, *, only: str = "", kinds: set[str]
) -> Iterator[Told]:
    """The comparisons of every stream of some manifests."""
    wanted = {n for n in only.split(",") if "/" in n}
    for file in files:
        try:
            manifest = Manifest(file, engines.kept)
        except Error as exc:
            yield Told(manifest=file.stem, stream="*", run="fresh", lines=[f"ours refuses: {exc}"])
            continue
        for name, stream in manifest.streams():
            if wanted and f"{file.stem}/{name}" not in wanted:
                continue
            if not known(stream):
                yield Told(manifest=file.stem, stream=name, run="class", lines=[])
                continue
            try:
                yield from runs(manifest, name, stream, engines, kinds)
            except Exception as exc:  # noqa: BLE001 (one stream must not end the run of all)
                yield Told(
                    manifest=file.stem,
                    stream=name,
                    run="broken",
                    lines=[f"{type(exc).__name__}: {exc}"],
                )


def main() -> None:
    """Compare, a line of JSON for each run of each stream."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kept", required=True, type=Path)
    parser.add_argument(
        "--folder", type=Path, default=Path(__file__).parents[5] / "shared/corpus/airbyte"
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--runs", default="fresh,later,faults")
    given = parser.parse_args()
    given.kept.mkdir(parents=True, exist_ok=True)
    engines = Engines(sys.executable, given.kept)
    files = chosen(given.folder, given.only, given.part)
    for told in compare_all(files, engines, only=given.only, kinds=set(given.runs.split(","))):
        print(msgspec.json.encode(told).decode(), flush=True)  # noqa: T201 (its answer)
    engines.close()


if __name__ == "__main__":
    main()
