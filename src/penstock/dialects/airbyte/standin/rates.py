"""Call budgets, as components make them for the clients they send requests with."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from penstock.dialects.python import web
from penstock.dialects.python.running import current


@dataclass
class Rate:
    """At most `limit` calls in an interval."""

    limit: int
    interval: timedelta


class CallRateLimitHit(Exception):
    """A policy has no room for a call; in `time_to_wait` it has."""

    def __init__(
        self, error: str, item: Any, weight: int, rate: str, time_to_wait: timedelta
    ) -> None:
        super().__init__(error)
        self.item, self.weight, self.rate, self.time_to_wait = item, weight, rate, time_to_wait


class RequestMatcher:
    """Says which requests a policy counts."""

    @abstractmethod
    def __call__(self, request: Any) -> bool:
        """Whether it counts this one."""
        raise NotImplementedError


class HttpRequestRegexMatcher(RequestMatcher):
    """Requests that have everything that is given; `url_path_pattern` is searched for."""

    def __init__(
        self,
        method: str | None = None,
        url_base: str | None = None,
        url_path_pattern: str | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        weight: int | None = None,
    ) -> None:
        self._method = method.upper() if method else None
        self._url_base = url_base.rstrip("/") if url_base else None
        self._url_path_pattern = re.compile(url_path_pattern) if url_path_pattern else None
        self._params = {str(k): str(v) for k, v in (params or {}).items()}
        self._headers = {str(k).lower(): str(v) for k, v in (headers or {}).items()}
        self.weight = weight

    def __call__(self, request: Any) -> bool:
        """Whether it counts this one."""
        made = request.prepare() if isinstance(request, web.Request) else request
        parts = urlsplit(str(made.url or ""))
        headers = {str(k).lower(): v for k, v in made.headers.items()}
        pattern = self._url_path_pattern
        return (
            self._method in {None, made.method}
            and self._url_base in {None, f"{parts.scheme}://{parts.netloc}"}
            and (pattern is None or pattern.search(parts.path.rstrip("/")) is not None)
            and self._params.items() <= dict(parse_qsl(parts.query)).items()
            and self._headers.items() <= headers.items()
        )


class HttpRequestMatcher(HttpRequestRegexMatcher):
    """Requests to one URL."""

    def __init__(
        self,
        method: str | None = None,
        url: str | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        parts = urlsplit(url or "")
        base = f"{parts.scheme}://{parts.netloc}" if url else None
        path = re.escape(parts.path) if parts.path not in {"", "/"} else None
        super().__init__(method, base, path, params, headers)


class AbstractCallRatePolicy:
    """Says when one of the requests it counts may be sent."""

    @abstractmethod
    def matches(self, request: Any) -> bool:
        """Whether it counts a request."""
        raise NotImplementedError

    @abstractmethod
    def try_acquire(self, request: Any, weight: int) -> None:
        """Count a request, or raise CallRateLimitHit."""
        raise NotImplementedError

    def update(self, available_calls: int | None, call_reset_ts: datetime | None) -> None:
        """Take up what an answer says of it."""


class BaseCallRatePolicy(AbstractCallRatePolicy):
    """Counts the requests that one of its matchers fits, or all where it has none."""

    def __init__(self, matchers: list[RequestMatcher]) -> None:
        self._matchers = matchers

    def matches(self, request: Any) -> bool:
        """Whether it counts a request."""
        return not self._matchers or any(matcher(request) for matcher in self._matchers)

    def get_weight(self, request: Any) -> int:
        """How many calls a request is."""
        found = next((m for m in self._matchers if m(request)), None)
        return getattr(found, "weight", None) or 1


class UnlimitedCallRatePolicy(BaseCallRatePolicy):
    """Lets every request through."""

    def try_acquire(self, request: Any, weight: int) -> None:
        """Nothing is counted."""


class MovingWindowCallRatePolicy(BaseCallRatePolicy):
    """At most so many requests in any stretch of time."""

    def __init__(self, rates: Sequence[Rate], matchers: list[RequestMatcher]) -> None:
        super().__init__(matchers)
        self._rates = list(rates)
        self._taken: deque[float] = deque()

    def try_acquire(self, request: Any, weight: int) -> None:
        """Count a request, or raise CallRateLimitHit."""
        now = current().seconds()
        waits = [self._wait(rate, now, weight) for rate in self._rates]
        if max(waits) > 0:
            tightest = self._rates[waits.index(max(waits))]
            shown = f"{tightest.limit} per {tightest.interval}"
            wait = timedelta(seconds=max(waits))
            raise CallRateLimitHit(f"no more than {shown}", request, weight, shown, wait)
        self._taken.extend([now] * weight)
        longest = max(rate.interval.total_seconds() for rate in self._rates)
        while self._taken[0] <= now - longest:
            self._taken.popleft()

    def _wait(self, rate: Rate, now: float, weight: int) -> float:
        if weight > rate.limit:
            raise ValueError(f"a request of weight {weight} never fits into {rate.limit}")
        seconds = rate.interval.total_seconds()
        held = [taken for taken in self._taken if taken > now - seconds]
        over = len(held) + weight - rate.limit
        return held[over - 1] + seconds - now if over > 0 else 0.0

    def update(self, available_calls: int | None, call_reset_ts: datetime | None) -> None:
        """Take up that no call is left."""
        if available_calls == 0 and call_reset_ts is None:
            now = current().seconds()
            self._taken.extend([now] * min(rate.limit for rate in self._rates))


class FixedWindowCallRatePolicy(BaseCallRatePolicy):
    """At most so many requests in each period; the API may say when the next one begins."""

    def __init__(
        self,
        next_reset_ts: datetime,
        period: timedelta,
        call_limit: int,
        matchers: list[RequestMatcher],
    ) -> None:
        super().__init__(matchers)
        self._next_reset_ts, self._offset = next_reset_ts, period
        self._call_limit, self._calls_num = call_limit, 0

    def try_acquire(self, request: Any, weight: int) -> None:
        """Count a request, or raise CallRateLimitHit."""
        now = datetime.now(UTC)
        if now > _aware(self._next_reset_ts):
            self._next_reset_ts, self._calls_num = self._next_reset_ts + self._offset, 0
        if self._calls_num + weight > self._call_limit:
            shown = f"{self._call_limit} per {self._offset}"
            wait = max(timedelta(0), _aware(self._next_reset_ts) - now)
            raise CallRateLimitHit(f"no more than {shown}", request, weight, shown, wait)
        self._calls_num += weight

    def update(self, available_calls: int | None, call_reset_ts: datetime | None) -> None:
        """Take up how many calls are left, and until when."""
        if available_calls is not None:
            self._calls_num = max(self._calls_num, self._call_limit - available_calls)
        self._next_reset_ts = call_reset_ts or self._next_reset_ts


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


class AbstractAPIBudget:
    """What a client asks before it sends a request."""

    @abstractmethod
    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:
        """Wait until a request may be sent."""
        raise NotImplementedError

    @abstractmethod
    def update_from_response(self, request: Any, response: Any) -> None:
        """Take up what an answer says."""
        raise NotImplementedError


class APIBudget(AbstractAPIBudget):
    """Policies, of which the first that fits a request applies."""

    def __init__(
        self,
        policies: Sequence[AbstractCallRatePolicy] = (),
        maximum_attempts_to_acquire: int = 100_000,
    ) -> None:
        self._policies = list(policies)
        self._maximum_attempts_to_acquire = maximum_attempts_to_acquire

    def get_matching_policy(self, request: Any) -> AbstractCallRatePolicy | None:
        """The policy of a request."""
        return next((p for p in self._policies if p.matches(request)), None)

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:
        """Wait until the policy of a request has room for it."""
        policy = self.get_matching_policy(request)
        if policy is None:
            return
        weight = policy.get_weight(request) if isinstance(policy, BaseCallRatePolicy) else 1
        for _ in range(self._maximum_attempts_to_acquire):
            try:
                policy.try_acquire(request, weight)
            except CallRateLimitHit as hit:
                if not block:
                    raise
                wait = hit.time_to_wait.total_seconds()
                current().pause(min(wait, timeout) if timeout is not None else wait)
            else:
                return
        policy.try_acquire(request, weight)

    def update_from_response(self, request: Any, response: Any) -> None:
        """Nothing is taken up."""


class HttpAPIBudget(APIBudget):
    """Policies that the headers of answers correct."""

    def __init__(
        self,
        ratelimit_reset_header: str = "ratelimit-reset",
        ratelimit_remaining_header: str = "ratelimit-remaining",
        status_codes_for_ratelimit_hit: Sequence[int] = (429,),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._reset, self._remaining = ratelimit_reset_header, ratelimit_remaining_header
        self._spent = tuple(status_codes_for_ratelimit_hit)

    def update_from_response(self, request: Any, response: Any) -> None:
        """Take up what the headers of an answer say."""
        policy = self.get_matching_policy(request)
        if policy is None:
            return
        left, reset = response.headers.get(self._remaining), response.headers.get(self._reset)
        calls = int(left) if left else 0 if response.status_code in self._spent else None
        policy.update(calls, datetime.fromtimestamp(int(reset), UTC) if reset else None)


class LimiterMixin:
    """Sends each request when a budget has room for it."""

    def __init__(self, api_budget: AbstractAPIBudget | None = None, **kwargs: Any) -> None:
        self._api_budget = api_budget
        super().__init__(**kwargs)

    def send(self, request: Any, **kwargs: Any) -> Any:
        """The answer to a request."""
        if self._api_budget is not None:
            self._api_budget.acquire_call(request)
        response = super().send(request, **kwargs)  # type: ignore[misc]  # what it is mixed into
        if self._api_budget is not None:
            self._api_budget.update_from_response(request, response)
        return response
