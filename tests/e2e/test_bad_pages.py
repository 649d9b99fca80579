"""Pages that cannot be read: what is said of them, and what is kept."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.loads import plan
from tests.support.web import serving

from penstock.engine import Options, Result, execute
from penstock.errors import DestinationError

CANARY = "c4nary-9f31b7"
PAGE = (
    b"<html>\xff\xfe caf\xc3\xa9: Authorization: Bearer c4nary-9f31b7, again c4nary-9f31b7</html>"
)
DOCUMENT = """
name: bad
inputs: { api_token: { secret: true } }
client:
  base_url: https://api.example.com
  auth: { type: bearer, token: 'dlt.secrets["api_token"]' }
resources:
  - name: "../../etc/events;DROP"
    endpoint:
      path: /events
      data_selector: events
      paginator: { type: cursor, cursor_path: next_cursor, cursor_param: cursor }
  - name: others
    endpoint: { path: /others, data_selector: events, paginator: single_page }
"""


def load(folder: Path, **options: Any) -> Result:
    """A run of two streams; the third page of one is HTML that says the secret back."""

    def answer(path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path == "/others":
            return 200, {"events": [{"id": 1}]}
        if query.get("cursor") == "c2":
            return 200, PAGE
        number = int(query.get("cursor", "c0")[1:])
        return 200, {"events": [{"id": number}], "next_cursor": f"c{number + 1}"}

    document = folder / "bad.yaml"
    document.write_text(DOCUMENT, "utf-8")
    source = plan(document)
    with serving(answer) as web:
        told = Options(base_url=web.url, **options)
        path = str(folder / "t.duckdb")
        return execute(source, {"api_token": CANARY}, path, told, lambda _event: None)


def test_a_bad_page_is_named_and_kept(tmp_path: Path) -> None:
    """The error has stream, page, byte and request; the page lies in the folder, masked."""
    pages = tmp_path / "deep" / "pages"
    result = load(tmp_path, keep_bad_pages=pages)
    bad, others = result.receipts
    (failure,) = bad.failures

    assert (result.status, others.status, others.rows) == ("partial", "done", 1)
    assert failure.code == "undecodable"
    assert failure.message.startswith("page 3: the answer is an HTML page")
    assert failure.hint.startswith("check the base URL, the path and the credentials")
    assert "(byte 0)" in failure.message
    assert failure.request.endswith("/events?cursor=c2")
    body, told = sorted(pages.iterdir())
    assert failure.hint.endswith(f"; the page is kept in {body}")
    assert (body.name, told.name) == ("_etc_events_DROP-1.body", "_etc_events_DROP-1.json")
    assert stat.S_IMODE(body.stat().st_mode) == 0o600
    assert body.read_bytes() == PAGE.replace(CANARY.encode(), b"***").replace(b"Bearer", b"***")
    said = json.loads(told.read_text("utf-8"))
    assert said["headers"]["content-type"] == "application/json"
    assert CANARY not in json.dumps(said)


def test_nothing_is_kept_unless_asked_for(tmp_path: Path) -> None:
    """Without the folder, a run writes only its destination."""
    load(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"bad.yaml", "t.duckdb"}


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Whoever asks for pages to be kept hears at once that they cannot be."""
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(DestinationError, match="cannot be made"):
        load(tmp_path, keep_bad_pages=tmp_path / "file" / "pages")


def test_a_document_leads_to_no_private_address_where_those_are_denied(tmp_path: Path) -> None:
    """Nothing is asked of a server of this machine; every stream says why."""
    result = load(tmp_path, deny_private=True)

    assert result.status == "failed"
    assert {f.code for r in result.receipts for f in r.failures} == {"private-address"}


def test_an_answer_is_as_large_as_it_may_be(tmp_path: Path) -> None:
    """The largest body is the user's to say."""
    result = load(tmp_path, max_body=10)

    assert {f.code for r in result.receipts for f in r.failures} == {"body-too-large"}
