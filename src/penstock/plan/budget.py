"""Call budgets: how many requests of which kind an API allows in which time."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from penstock.plan.page import HttpRequest


class Matcher(msgspec.Struct, frozen=True, kw_only=True):
    """The requests a policy counts: everything that is given must fit.

    `base` is a URL that the request's begins with, `path` a pattern searched for in its path;
    `query` and `headers` must be there with these values. A request takes `weight` of the budget.
    """

    method: str | None = None
    base: str | None = None
    path: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    weight: int = 1

    def matches(self, request: HttpRequest) -> bool:
        """Whether a request counts."""
        parts = urlsplit(request.full_url)
        headers = {name.lower(): value for name, value in request.headers}
        return (
            (self.method is None or request.method.upper() == self.method.upper())
            and (self.base is None or f"{parts.scheme}://{parts.netloc}" == self.base.rstrip("/"))
            and (self.path is None or re.search(self.path, parts.path) is not None)
            and set(self.query) <= set(parse_qsl(parts.query, keep_blank_values=True))
            and all(headers.get(name.lower()) == value for name, value in self.headers)
        )


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of the requests that a matcher fits; no matcher fits all, no rate is no limit.

    A `fixed` window begins when the API says so in its headers, a `moving` one with each call.
    """

    matchers: tuple[Matcher, ...] = ()
    rates: tuple[Rate, ...] = ()
    window: Literal["fixed", "moving"] = "moving"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Policies, the first that fits a request applies; what the API's headers say corrects them.

    An answer with one of `spent` statuses says that the budget is used up.
    """

    policies: tuple[Policy, ...] = ()
    reset_header: str = "ratelimit-reset"
    remaining_header: str = "ratelimit-remaining"
    spent: tuple[int, ...] = (429,)

    def policy(self, request: HttpRequest) -> tuple[Policy, int] | None:
        """The policy of a request, and how much of it the request takes."""
        for policy in self.policies:
            if not policy.matchers:
                return policy, 1
            for matcher in policy.matchers:
                if matcher.matches(request):
                    return policy, matcher.weight
        return None
