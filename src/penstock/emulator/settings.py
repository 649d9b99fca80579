"""What an emulated API is told before it starts."""

from __future__ import annotations

from typing import Literal

import msgspec

NOW_MS = 1_711_843_200_000
"""The emulators' default "now": 2024-03-31T00:00:00Z, in milliseconds since 1970."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How large, slow, strict and hostile an emulated API is; the same settings give the same API.

    Attributes:
        records: how many records the API's main stream holds; other streams scale with it.
        seed: decides every record, every change and every fault.
        latency_ms: the wait before each answer; concurrent requests wait concurrently.
        rate: requests a second that are answered; those beyond get 429. None is no limit.
        burst: requests that may come at once before `rate` is enforced (default: one second's).
        retry_after: how a 429 of the rate limit says how long to wait.
        faults: the probability of an everyday fault (see `faults.EVERYDAY`) on each request.
        rules: fault rules, `KIND@RATE`; see `faults.parse_rule`.
        gzip: compress answers for clients that accept it.
        page_cap: the largest page the API gives, whatever was asked.
        with_total: the chat API's offset pages say their total.
        token_ttl_s: how long an access token is good for.
        now_ms: the newest moment in the data, in milliseconds since 1970.
        days: how many days before `now_ms` the data begins.
        api_key: the key the messaging API expects.
        client_id: the client the chat API gives tokens to.
        client_secret: that client's secret.
        api_token: the token the Dixa export expects.
        slow_s: seconds between the pieces of a `slow` answer.
        bomb_mb: what a compression bomb unfolds to, and how large a `fat-record` is.
    """

    records: int = 1000
    seed: int = 1
    latency_ms: float = 0.0
    rate: float | None = None
    burst: int | None = None
    retry_after: Literal["seconds", "date"] = "seconds"
    faults: float = 0.0
    rules: tuple[str, ...] = ()
    gzip: bool = False
    page_cap: int | None = None
    with_total: bool = False
    token_ttl_s: float = 3600.0
    now_ms: int = NOW_MS
    days: int = 90
    api_key: str = "demo-key"
    client_id: str = "demo-client"
    client_secret: str = "demo-secret"  # noqa: S105 (an emulator's password opens nothing)
    api_token: str = "demo-token"  # noqa: S105 (the same)
    slow_s: float = 1.0
    bomb_mb: int = 200

    def __post_init__(self) -> None:
        """Refuse numbers that no API could have."""
        _require(self.records >= 0, "records", "zero or more")
        _require(0 <= self.faults <= 1, "faults", "a probability between 0 and 1")
        _require(self.latency_ms >= 0, "latency_ms", "zero or more")
        _require(self.rate is None or self.rate > 0, "rate", "above zero")
        _require(self.burst is None or self.burst >= 1, "burst", "one or more")
        _require(self.page_cap is None or self.page_cap >= 1, "page_cap", "one or more")
        _require(self.days >= 1, "days", "one or more")


def _require(holds: bool, name: str, what: str) -> None:  # noqa: FBT001 (a predicate)
    if not holds:
        raise ValueError(f"the emulator's {name} must be {what}")
