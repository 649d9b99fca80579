"""Real manifests: every stream of them does the same in both engines, against a generated API."""

from __future__ import annotations

import os
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.parity.airbyte.corpus.explained import explanation
from tests.parity.airbyte.corpus.pages import pager
from tests.parity.airbyte.corpus.reading import accesses, dated
from tests.parity.airbyte.corpus.runs import Engines, compare_all

_FOLDER = os.environ.get("PENSTOCK_AIRBYTE_CORPUS", "")
FOLDER = Path(_FOLDER) if _FOLDER else Path(__file__).parents[4] / "shared/corpus/airbyte"
PYTHON = os.environ.get("PENSTOCK_CDK_PYTHON") or (
    sys.executable if find_spec("airbyte_cdk") else ""
)


@pytest.mark.skipif(
    os.environ.get("PENSTOCK_PARITY") != "all", reason="takes an hour: PENSTOCK_PARITY=all"
)
@pytest.mark.skipif(not FOLDER.is_dir(), reason="there is no folder of manifests")
@pytest.mark.skipif(not PYTHON, reason="the reference engine is not installed")
def test_streams_of_real_manifests_do_the_same(tmp_path: Path):
    """Every stream without classes is read the same, or the difference is a row of the docs."""
    engines = Engines(PYTHON, Path(os.environ.get("PENSTOCK_PARITY_KEPT") or tmp_path))
    counts: Counter[str] = Counter()
    told = []
    for one in compare_all(sorted(FOLDER.glob("*.yaml")), engines, kinds={"fresh"}):
        row = explanation(one) if one.lines else None
        counts[
            "class" if one.run == "class" else "agree" if not one.lines else row or "differ"
        ] += 1
        if one.lines and row is None:
            told += [f"{one.manifest}/{one.stream}: {line}" for line in one.lines[:3]]
    engines.close()
    print(*counts.most_common(), sep="\n")  # noqa: T201 (the figures are the point)
    assert not told, "\n".join(told)


def _cursor(value: str, stop: str = "", *, path: bool = False) -> dict[str, object]:
    token = {"type": "RequestPath"} if path else {"type": "RequestOption", "field_name": "cursor"}
    strategy = {"type": "CursorPagination", "cursor_value": value, "stop_condition": stop}
    return {
        "paginator": {
            "type": "DefaultPaginator",
            "pagination_strategy": strategy,
            "page_token_option": token,
        }
    }


@pytest.mark.parametrize(
    ("value", "stop"),
    [
        ("{{ response.next }}", ""),
        ("{{ response.get('meta', {}).get('next') }}", "{{ not response.meta.more }}"),
        ("{{ headers['link']['next']['url'] }}", "{{ 'next' not in headers['link'] }}"),
        ("{{ last_record['id'] }}", "{{ last_page_size < 50 }}"),
        ("{{ response.page + 1 }}", "{{ response.page >= response.pages }}"),
        ("{{ response.links.next.split('after=')[1] }}", "{{ not response.links.next }}"),
    ],
)
def test_an_answer_is_found_that_goes_on_and_one_that_ends(value: str, stop: str):
    """Of every form of pagination there are two pages with another behind them, and a last one."""
    found = pager(_cursor(value, stop), {}, parent=False, turn=0)
    assert len(found["sizes"]) == 3
    assert len(set(found["tokens"])) == 2


def test_what_templates_read_is_known():
    """The fields of records are those that templates read, times in the format they are read in."""
    text = "{{ record['a'].get('b') or record.c }}"
    assert accesses(text) == {("record", ("a", "b")), ("record", ("c",))}
    assert dated("{{ format_datetime(record.at, '%Y', '%d.%m.%Y') }}") == {("at",): "%d.%m.%Y"}
