"""Streams below one that could not be read in full: never called done, never put in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.loads import plan
from tests.support.web import serving

from penstock.engine import Options, Result, execute

DOCUMENT = """
name: tree
client: { base_url: https://api.example.com }
resource_defaults:
  write_disposition: %s
  endpoint: { data_selector: data, paginator: single_page }
resources:
  - name: above
    endpoint:
      path: above
      paginator: %s
  - { name: below, endpoint: { path: "above/{resources.above.id}/below" } }
"""
REFUSED = (403, {"error": "no"})
MOVED = (200, {"rows": [{"id": 7}]})
PAGES = "{ type: page_number, base_page: 0, total_path: pages }"


class Tree:
    """An API of parents on two pages, and a child of each; `wrong` is what a page gives instead."""

    def __init__(self, folder: Path, write: str, paginator: str = PAGES) -> None:
        self.file = folder / "tree.duckdb"
        self.wrong: dict[int, tuple[int, Any]] = {}
        document = folder / "tree.yaml"
        document.write_text(DOCUMENT % (write, paginator), "utf-8")
        self._source = plan(document)

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path != "/above":
            return 200, {"data": [{"of": path.split("/")[2]}]}
        page = int(query.get("page", "0"))
        whole = (200, {"data": [{"id": page * 2}, {"id": page * 2 + 1}], "pages": 2})
        return self.wrong.get(page, whole)

    def load(self) -> Result:
        """A run."""
        with serving(self._answer) as web:
            options = Options(base_url=web.url)
            return execute(self._source, {}, str(self.file), options, lambda _event: None)

    def above(self) -> list[int]:
        """The parents that are kept."""
        return self._kept("SELECT id FROM tree.tree.above ORDER BY id")

    def below(self) -> list[str]:
        """Whose children are kept."""
        return self._kept("SELECT of FROM tree.tree.below ORDER BY of")

    def _kept(self, query: str) -> list[Any]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return [value for (value,) in connection.execute(query).fetchall()]


def _codes(result: Result, name: str) -> tuple[str, list[str]]:
    (receipt,) = (r for r in result.receipts if r.stream == name)
    return receipt.status, [failure.code for failure in receipt.failures]


@pytest.mark.parametrize("wrong", [{0: REFUSED}, {1: REFUSED}])
def test_what_was_there_stays_where_a_parent_is_not_whole(tmp_path: Path, wrong) -> None:
    """Children that replace a table do so only when all of them were asked for."""
    tree = Tree(tmp_path, "replace")
    assert tree.load().status == "done"
    tree.wrong = wrong
    spoiled = tree.load()
    assert _codes(spoiled, "below") == ("failed", ["parent-lost"])
    assert spoiled.status in {"failed", "partial"}
    assert (tree.above(), tree.below()) == ([0, 1, 2, 3], ["0", "1", "2", "3"])
    tree.wrong = {}
    assert tree.load().status == "done"
    assert tree.below() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("wrong", [{0: REFUSED}, {1: REFUSED}])
def test_what_was_read_below_a_parent_that_is_not_whole_is_kept_once(tmp_path: Path, wrong) -> None:
    """The children of what came are appended; the next run brings the others, and none twice."""
    tree = Tree(tmp_path, "append")
    tree.wrong = wrong
    assert _codes(tree.load(), "below")[1] == ["parent-lost"]
    tree.wrong = {}
    assert tree.load().status == "done"
    assert tree.below() == ["0", "1", "2", "3"]


def test_what_was_there_stays_where_rows_stand_elsewhere(tmp_path: Path) -> None:
    """A record path that is in no answer is wrong, if rows are found beside it."""
    tree = Tree(tmp_path, "replace", "single_page")
    assert tree.load().status == "done"
    tree.wrong = {0: MOVED}
    spoiled = tree.load()
    assert _codes(spoiled, "above") == ("partial", [])
    assert _codes(spoiled, "below") == ("failed", ["parent-lost"])
    assert (tree.above(), tree.below()) == ([0, 1], ["0", "1"])


GROWING = """
name: tree
client: { base_url: https://api.example.com }
resource_defaults:
  endpoint: { data_selector: data, paginator: single_page }
resources:
  - name: above
    endpoint:
      path: above
      params: { since: "{incremental.start_value}" }
      incremental: { cursor_path: at, initial_value: 0 }
  - { name: below, endpoint: { path: "above/{resources.above.id}/below" } }
"""


def test_a_parent_is_not_built_anew_without_what_is_below_it(tmp_path: Path) -> None:
    """Its new cursor would lead past children that were not read: the old one stays."""
    document = tmp_path / "tree.yaml"
    document.write_text(GROWING, "utf-8")
    there, wrong = [1], list[str]()

    def answer(path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path in wrong:
            return REFUSED
        if path == "/above":
            return 200, {"data": [{"id": n, "at": n} for n in there if n >= int(query["since"])]}
        return 200, {"data": [{"of": path.split("/")[2]}]}

    def load(*, anew: bool = False) -> Result:
        options = Options(base_url=web.url, full_refresh=anew)
        return execute(plan(document), {}, str(tmp_path / "tree.duckdb"), options, lambda _: None)

    with serving(answer) as web:
        assert load().status == "done"
        there.append(2)
        wrong.append("/above/2/below")
        spoiled = load(anew=True)
        assert _codes(spoiled, "above") == ("failed", ["child-lost"])
        assert _codes(spoiled, "below") == ("failed", ["auth-refused"])
        wrong.clear()
        assert load().status == "done"
    with duckdb.connect(str(tmp_path / "tree.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT of FROM tree.tree.below ORDER BY of").fetchall()
    assert found == [("1",), ("2",)]
