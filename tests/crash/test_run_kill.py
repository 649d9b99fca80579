"""Whole runs whose process is killed: run again, they end with every record once."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.crash.killing import SMALL, Forge
from tests.e2e.loads import assert_holds, load, query, table, tables

from penstock.emulator import EmulatorServer, Settings

Content = Counter[str]
ORPHAN = "a row without its parent "


class Case(NamedTuple):
    """A document under trial: the API it loads, and its streams with their keys.

    With `again` the run that is killed is a second one, after the data changed. `once` documents
    have nothing to say what is new: a further run appends everything again, so that a run which
    had kept everything before it was killed is not run again.
    """

    document: str
    api: str
    records: int
    streams: dict[str, tuple[str, ...]]
    again: bool = False
    once: bool = False
    full_refresh: bool = False


MESSAGES = {"chat_messages": ("id",)}
CHILDREN = {"conversations": ("id",), "conversation_messages": ("id",)}
TREE = {
    "users": ("id",),
    "users_conversations": ("user_id", "id"),
    "conversations_messages": ("id",),
}
EXPORT = {"conversation_export": ("id",)}
CASES = {
    "append": Case("append_flat.yaml", "chat", 240, MESSAGES),
    "append-again": Case("append_flat.yaml", "chat", 120, MESSAGES, again=True),
    "merge-again": Case("merge_flat.yaml", "chat", 120, MESSAGES, again=True),
    "replace-again": Case("replace_flat.yaml", "chat", 160, MESSAGES, again=True),
    "append-token": Case("append_token.yaml", "chat", 300, {"events": ("id",)}, once=True),
    "append-pass": Case("append_pass.yaml", "chat", 160, CHILDREN, once=True),
    "append-children": Case("append_children.yaml", "chat", 160, CHILDREN),
    "append-children-again": Case("append_children.yaml", "chat", 120, CHILDREN, again=True),
    "merge-tree": Case("merge_tree.yaml", "messaging", 300, TREE),
    "merge-tree-again": Case("merge_tree.yaml", "messaging", 200, TREE, again=True),
    "refresh-tree": Case("merge_tree.yaml", "messaging", 150, TREE, again=True, full_refresh=True),
    "append-windows": Case("append_windows.yaml", "dixa", 160, EXPORT),
    "merge-windows-again": Case("merge_windows.yaml", "dixa", 120, EXPORT, again=True),
}
POINTS = (
    ("PageRead", 1),
    ("PageRead", 4),
    ("shape:begin", 2),
    ("shape:end", 1),
    ("shape:end", 4),
    ("commit:begin", 2),
    ("commit:rows", 1),
    ("commit:state", 3),
    ("commit:before", 2),
    ("commit:after", 1),
    ("commit:after", 3),
    ("close:released", 1),
)
SHARE = 6  # each case is killed at every so many of the points, each beginning at another


class Site:
    """A server for one case, and what a run that is not killed makes of it."""

    def __init__(self, case: Case, server: EmulatorServer, folder: Path) -> None:
        self.case = case
        self.server = server
        self.before: Path | None = None
        self.old: dict[str, Content] = {}
        if case.again:
            self.before = folder / "before.duckdb"
            assert load(case.document, server, self.before).status == "done"
            self.old = content(self.before)
            server.advance(90)
        path = self.new_file(folder)
        assert self.run(path) == "done"
        self.new = content(path)
        self._check_truth(path)

    def new_file(self, folder: Path) -> Path:
        """The file of one trial."""
        path = folder / "trial.duckdb"
        if self.before is not None:
            shutil.copyfile(self.before, path)
        return path

    def run(self, path: Path) -> str:
        """Run to the end; gives the status."""
        case = self.case
        done = load(case.document, self.server, path, sizes=SMALL, full_refresh=case.full_refresh)
        return done.status

    def _check_truth(self, path: Path) -> None:
        """What a run that is not killed makes is what the API holds, as far as it can be asked."""
        for stream, keys in self.case.streams.items():
            wanted = list(self.server.truth(stream))
            if not self.case.again or self.replaces:
                assert_holds(path, stream, wanted, keys)
                continue
            rows = table(path, stream)
            versions = [(*(row[k] for k in keys), row.get("revision")) for row in rows]
            assert max(Counter(versions).values()) == 1
            if self.case.document != "merge_tree.yaml":  # its API does not tell of new children
                assert {v[:-1] for v in versions} == {tuple(r[k] for k in keys) for r in wanted}

    def commits(self, path: Path) -> int:
        """How many checkpoints the run that was not killed took."""
        count = "SELECT count(*) FROM _penstock_loads"
        before = query(self.before, count)[0][0] if self.before else 0
        return int(query(path, count)[0][0] - before)

    def check_after_kill(self, path: Path) -> None:
        """Every child has its parent; a replaced table is the old one or the new one, whole."""
        there = content(path)
        for name, rows in there.items():
            assert not any(row.startswith(ORPHAN) for row in rows), name
            if self.replaces:
                assert rows in (self.old.get(name), self.new[name]), name

    @property
    def replaces(self) -> bool:
        """Whether readers are to see all of the old records or all of the new ones."""
        return self.case.full_refresh or "replace" in self.case.document

    def was_complete(self, path: Path) -> bool:
        """Whether a killed run had kept all of the appended stream, which is the last."""
        last = list(self.case.streams)[-1]
        if content(path).get(last) != self.new[last]:
            return False
        rows = query(path, "SELECT name FROM _penstock_state")
        return not any(name.startswith(("done/", "open/")) for (name,) in rows)

    def check_after_rerun(self, path: Path) -> None:
        """Run again, everything is there once, with its children, and nothing is left over."""
        if self.case.once and self.was_complete(path):
            return
        assert self.run(path) == "done"
        found = content(path)
        for name in {**self.new, **found}:
            assert found.get(name) == self.new.get(name), name
        left = query(path, "SELECT name FROM _penstock_state")
        assert [n for (n,) in left if n.startswith(("open/", "done/", "todo/", "pass"))] == []
        assert query(path, "SELECT count(*) FROM _penstock_builds") == [(0,)]


def content(path: Path) -> dict[str, Content]:
    """Every table's rows, counted: a child's with its parent's in place of its parent's id."""
    if not path.exists():
        return {}
    found: dict[str, Content] = {}
    texts: dict[tuple[str, str], str] = {}
    names = tables(path)
    for name in sorted(names, key=lambda n: n.count("__")):
        above = max((n for n in names if name.startswith(f"{n}__")), key=len, default="")
        found[name] = Counter()
        for row in table(path, name):
            parent, own = row.get("_penstock_parent_id"), row.get("_penstock_id", "")
            lead = "" if parent is None else texts.get((above, parent), ORPHAN)
            shown = {
                k: v for k, v in row.items() if not k.startswith("_penstock") and v is not None
            }
            text = f"{lead}{row.get('_penstock_list_idx', '')}{sorted(shown.items())}"
            assert (name, own) not in texts or not own, "an id stands for two rows"
            texts[name, own] = text
            found[name][text] += 1
    return found


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """The process that forks runs."""
    made = Forge()
    yield made
    made.close()


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_a_small_window_in_front_of_a_large_one(count: int, forge: Forge, tmp_path: Path) -> None:
    """The state that a large window is kept with never speaks of a small one that is not kept."""
    values = {"start_timestamp": 1_701_800_000_000}  # the first window has a few records
    path = tmp_path / "t.duckdb"
    with EmulatorServer("dixa", Settings(records=160)) as server:
        document = "append_windows.yaml"
        ended = forge(document, server.url, path, point="commit:after", count=count, values=values)
        assert ended == -signal.SIGKILL
        assert load(document, server, path, values, sizes=SMALL).status == "done"
        assert_holds(path, "conversation_export", server.truth("conversation_export"))


@pytest.mark.parametrize("name", CASES)
def test_killed_anywhere_and_run_again(
    name: str, forge: Forge, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Killed at any point or time, a run that is run again ends with every record once."""
    case = CASES[name]
    settings = Settings(records=case.records)
    with EmulatorServer(case.api, settings) as server:
        site = Site(case, server, tmp_path_factory.mktemp("site"))
        folder = tmp_path_factory.mktemp("whole")
        started = time.monotonic()
        path = site.new_file(folder)
        ended = forge(case.document, server.url, path, full_refresh=case.full_refresh)
        whole = time.monotonic() - started
        assert ended == 0
        site.check_after_kill(path)
        chance = random.Random(name)
        points = POINTS[list(CASES).index(name) % SHARE :: SHARE]
        trials: list[tuple[str, int, float | None]] = [(p, n, None) for p, n in points]
        trials.append(("", 1, chance.uniform(0, whole)))
        # With its last checkpoints a run says what the next one need not ask for.
        trials += [("commit:after", max(1, site.commits(path) - back), None) for back in (1, 2)]
        if site.replaces:
            trials.append(("swap:renamed", 1, None))
        ends: list[int] = []
        for point, count, delay in trials:
            path = site.new_file(tmp_path_factory.mktemp("trial"))
            ends.append(
                forge(
                    case.document,
                    server.url,
                    path,
                    point=point,
                    count=count,
                    delay=delay,
                    full_refresh=case.full_refresh,
                )
            )
            try:
                site.check_after_kill(path)
                site.check_after_rerun(path)
            except AssertionError as exc:
                raise AssertionError(f"{name}, killed at {point} {count} {delay}: {exc}") from exc
        assert set(ends) <= {0, -signal.SIGKILL}
        assert ends.count(-signal.SIGKILL) >= 2, ends
