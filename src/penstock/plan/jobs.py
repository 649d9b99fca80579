"""Asynchronous jobs: an API prepares an export, says when it is ready, and hands it out."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.plan.auth import Auth, NoAuth
from penstock.plan.decoder import Decoder
from penstock.plan.expr import Expr, Frame, JsonValue, evaluate
from penstock.plan.pagination import Pagination, SinglePage
from penstock.plan.policy import ErrorPolicy
from penstock.plan.records import RecordPath
from penstock.plan.request import Request

JobStatus = Literal["running", "completed", "failed", "timeout", "skipped"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a job.

    Its templates see `creation_response`, `polling_response` and `download_target` of the page.
    """

    request: Request
    auth: Auth = NoAuth()
    policy: ErrorPolicy = ErrorPolicy()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The requests of a job, once for each slice.

    `status` is where a polling answer says how the job is doing, `statuses` what its words mean.
    `targets` is where it holds what to download; None downloads once. A job is polled every
    `interval` seconds, given up and begun again after `timeout` seconds, and begun at most
    `attempts` times. At most `concurrent` jobs run at once.
    """

    create: Call
    poll: Call
    download: Call
    resolve: Call | None = None
    abort: Call | None = None
    delete: Call | None = None
    status: RecordPath
    statuses: tuple[tuple[str, JobStatus], ...]
    targets: RecordPath | None = None
    poll_decoder: Decoder = Decoder()
    pagination: Pagination = SinglePage()
    interval: float = 5.0
    timeout: Expr
    retry_wait: float = 0.0
    attempts: int = 3
    concurrent: Expr | None = None

    def judged(self, word: JsonValue) -> JobStatus | None:
        """What a word of the API says of a job; None where the document does not know it."""
        return dict(self.statuses).get(word) if isinstance(word, str) else None

    def patience(self, frame: Frame) -> float:
        """Seconds after which a job is given up."""
        minutes = evaluate(self.timeout, frame)
        return float(minutes) * 60 if isinstance(minutes, (int, float)) else 3600.0
