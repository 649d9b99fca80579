"""AsyncRetriever → job."""

from __future__ import annotations

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.auth import authentication
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.dialects.airbyte.pagination import pagination
from penstock.dialects.airbyte.policy import policy
from penstock.dialects.airbyte.records import decoder, expanding, extracted
from penstock.dialects.airbyte.request import request
from penstock.plan.expr import Const, Expr
from penstock.plan.jobs import Call, Job, JobStatus
from penstock.plan.records import Glob, Keys, RecordPath, Several
from penstock.plan.request import Request
from penstock.plan.source import Decoder

_NAMES = template.REQUEST | {"creation_response", "polling_response", "download_target"}
_STATUSES: tuple[JobStatus, ...] = ("running", "completed", "failed", "timeout", "skipped")


def job(ctx: Context, retriever: Component) -> Job:
    """The requests of a retriever that waits for exports; its decoder is that of its polling."""
    paginator = retriever.child("download_paginator")
    return Job(
        create=_needed(ctx, retriever, "creation_requester"),
        poll=_needed(ctx, retriever, "polling_requester"),
        download=_needed(ctx, retriever, "download_requester"),
        resolve=call_of(ctx, retriever, "download_target_requester"),
        abort=call_of(ctx, retriever, "abort_requester"),
        delete=call_of(ctx, retriever, "delete_requester"),
        status=path_of(ctx, retriever, "status_extractor") or Keys(),
        statuses=_statuses(retriever),
        targets=path_of(ctx, retriever, "download_target_extractor"),
        poll_decoder=decoder(ctx, retriever.child("decoder")),
        pagination=pagination(ctx, paginator, None),
        timeout=_timeout(ctx, retriever),
        retry_wait=ctx.number(retriever, "failed_retry_wait_time_in_seconds", 0.0),
        concurrent=ctx.jobs,
    )


_NOTHING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)  # texts that stand for nothing in a file of rows, unless they are to be kept


def download_decoder(ctx: Context, retriever: Component) -> Decoder:
    """How what a job hands out becomes values; files of rows are read as such, also packed."""
    extractor = retriever.child("download_extractor")
    if extractor is not None and extractor.kind == "ResponseToFileExtractor":
        kept = ctx.check(extractor).value("preserve_na_values") is True
        return Decoder(format="csv", gzip=True, nulls=("",) if kept else _NOTHING)
    return decoder(ctx, retriever.child("download_decoder"))


def download_records(ctx: Context, retriever: Component) -> RecordPath:
    """Where the records stand in what a job hands out: the selector's own path is not looked at."""
    extractor = retriever.child("download_extractor")
    if extractor is not None and extractor.kind == "ResponseToFileExtractor":
        return Keys()
    return path_of(ctx, retriever, "download_extractor") or Keys()


def _timeout(ctx: Context, retriever: Component) -> Expr:
    found = ctx.expression(retriever, "polling_job_timeout", template.CONFIG)
    return Const(value=60) if found is None or found == Const(value="") else found


def _needed(ctx: Context, retriever: Component, field: str) -> Call:
    return call_of(ctx, retriever, field) or Call(request=Request(url=Const(value="")))


def call_of(ctx: Context, retriever: Component, field: str) -> Call | None:
    """The request of a requester in a field, or None."""
    requester = retriever.child(field)
    if requester is None:
        return None
    made = request(ctx, requester, _NAMES) if requester.kind == "HttpRequester" else None
    if requester.kind == "CustomRequester":
        made = Request(url=Const(value=""), send=custom.send(ctx, requester))
    if made is None:
        ctx.unknown(requester, f"the {field}", ("HttpRequester", "CustomRequester"))
        return None
    return Call(
        request=made,
        auth=authentication(ctx, requester),
        policy=policy(ctx, requester.child("error_handler")),
    )


def path_of(ctx: Context, retriever: Component, field: str) -> RecordPath | None:
    """Where an extractor in a field looks, or None."""
    extractor = retriever.child(field)
    if extractor is None:
        return None
    path, _ = extracted(ctx, extractor, retriever.child("decoder"))
    expander = extractor.child("record_expander")
    if expander is None or not isinstance(path, (Keys, Glob)):
        return path
    return Several(paths=(path,), spreads=(expanding(ctx, expander),))


def _statuses(retriever: Component) -> tuple[tuple[str, JobStatus], ...]:
    table = retriever.child("status_mapping")
    found: list[tuple[str, JobStatus]] = []
    for status in _STATUSES:
        words = table.value(status) if table is not None else None
        found += [(str(word), status) for word in words] if isinstance(words, list) else []
    return tuple(found)
