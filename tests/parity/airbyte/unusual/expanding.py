"""Lists inside of records that the API cuts short, and expanders in what a job answers."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.auths import _job
from tests.parity.airbyte.build import case, option, paginator, requester, selector, stream
from tests.parity.airbyte.harness import Asked, Case, Reply

# Lists that are cut short.

_WHOLE = {"a": ["x", "y", "z"], "b": ["u"]}


def _cut(asked: Asked) -> Any:
    """Invoices whose lines are cut after two, and the lines of each, two to a page."""
    if asked.path == "/items":
        return {"data": [_invoice(name, lines) for name, lines in _WHOLE.items()]}
    if asked.path == "/items/a/lines":
        page = int(asked.params.get("page", 0))
        return {"lines": [{"line": line} for line in _WHOLE["a"][page * 2 : page * 2 + 2]]}
    return {"lines": []}


def _invoice(name: str, lines: list[str]) -> Any:
    held = {"data": [{"line": line} for line in lines[:2]], "has_more": len(lines) > 2}
    return {"id": name, "kind": {"k": 1}, "lines": {**held, "total_count": len(lines)}}


_PAGED = paginator({"type": "PageIncrement", "page_size": 2}, option("page"))


def _retriever(path: str = "/items/{{ stream_slice['parent_record']['id'] }}/lines", **parts: Any):
    return {
        "type": "SimpleRetriever",
        "requester": requester(path, **parts.pop("asks", {})),
        "record_selector": selector("lines", **parts.pop("selects", {})),
        **parts,
    }


def _expanded(name: str, retriever: Any = None, api: Any = _cut, **parts: Any) -> Case:
    expander = {
        "type": "RecordExpander",
        "expand_records_from_field": ["lines", "data"],
        "truncation_indicator_path": ["lines", "has_more"],
        **({"truncated_list_retriever": retriever} if retriever else {}),
        **parts,
    }
    made = stream()
    made["retriever"]["record_selector"]["extractor"]["record_expander"] = expander
    return case(f"cut list, {name}", made, api=lambda: api)


def _failing(asked: Asked) -> Any:
    return Reply(status=403, body={}) if asked.path != "/items" else _cut(asked)


_KEPT = {"type": "ParentFieldPath", "parent_path": ["kind", "k"], "record_path": ["of", "k"]}
_CUT = [
    _expanded("asked for in pages", _retriever(paginator=_PAGED)),
    _expanded("asked for, the first page", _retriever()),
    _expanded("not to be had", None),
    _expanded("asked for in vain", _retriever("/nothing")),
    _expanded("that cannot be asked for", _retriever(), api=_failing),
    _expanded("with its parent", _retriever(paginator=_PAGED), merge_parent=True),
    _expanded("with a field of its parent", _retriever(), parent_fields=[_KEPT]),
    _expanded("with the original", _retriever(), remain_original_record=True),
    _expanded("with items that are dropped", _retriever(
        selects={"record_filter": {"type": "RecordFilter",
                                   "condition": "{{ record.line != 'y' }}"}})),
    _expanded("asked for with a value of its parent", _retriever(asks={
        "request_parameters": {"k": "{{ stream_slice.parent_record.kind.k }}"}})),
    _expanded("that is not there", _retriever(), expand_records_from_field=["gone"],
              on_no_records="emit_parent"),
]  # fmt: skip

# Answers of a job whose values are expanded.


def _in(*path: str, inner: str) -> Any:
    expander = {"type": "RecordExpander", "expand_records_from_field": [inner]}
    return {"type": "DpathExtractor", "field_path": list(path), "record_expander": expander}


def _told(asked: Asked) -> Any:
    if asked.method == "POST":
        return {"id": 7}
    if asked.path == "/jobs/7":
        files = [{"parts": [f"https://api.test/f/{n}" for n in (1, 2)]}]
        return {"status": "done", "files": files, "words": [{"said": ["done"]}]}
    return {"pages": [{"rows": [{"from": asked.path}, {"n": 2}]}], "rows": [{"lines": [{"no": 1}]}]}


def _jobbed(name: str, **parts: Any) -> Case:
    made = _job(name, ["done"], **parts)
    return case(f"job, {name}", made.manifest["streams"][0], api=lambda: _told, waits=False)


_FILES = {"download_target_extractor": _in("files", inner="parts")}
_JOBS = [
    _jobbed("files expanded", **_FILES),
    _jobbed("status expanded", **_FILES, status_extractor=_in("words", inner="said")),
    _jobbed("records expanded", **_FILES, download_extractor=_in("pages", inner="rows")),
    _jobbed("records of the selector expanded, which is not looked at", **_FILES,
            record_selector={"type": "RecordSelector", "extractor": _in("rows", inner="lines")}),
]  # fmt: skip

CASES = [*_CUT, *_JOBS]
