"""Whether slashes of data are slashes of a path: what an API that knows no such path is asked."""

from __future__ import annotations

import msgspec

from penstock.plan.page import HttpRequest
from penstock.read.tally import Tally

# What APIs answer where they know no path in which a slash is percent-encoded.
_UNKNOWN = frozenset({400, 403, 404, 405, 410, 422})
FOUND = "values with slashes lead on in the path"


class Spellings:
    """How the paths of each stream are spelled, once one of them was answered.

    A value is one segment of a path, percent-encoded, unless the API knows none such: then it is
    asked for as it is written, and so from then on.
    """

    def __init__(self) -> None:
        self._unquoted: dict[str, bool] = {}

    def settled(self, stream: str, request: HttpRequest) -> HttpRequest:
        """The request as the stream's paths are spelled; both ways are open until it is known."""
        known = self._unquoted.get(stream)
        if request.unquoted is None or known is None:
            return request
        return unquoted(request) if known else msgspec.structs.replace(request, unquoted=None)

    def learn(self, stream: str, taken: HttpRequest, tally: Tally) -> None:
        """The API has accepted a request, spelled as it is now."""
        if taken.unquoted is None or stream in self._unquoted:
            return
        self._unquoted[stream] = not taken.unquoted
        if not taken.unquoted:
            tally.detected.setdefault(FOUND, None)


def unquoted(request: HttpRequest) -> HttpRequest:
    """The request with slashes of data as they are."""
    assert request.unquoted, "asked only of one that has another spelling"
    return msgspec.structs.replace(request, url=request.unquoted, unquoted="")


def unknown(request: HttpRequest, status: int) -> bool:
    """Whether the answer may mean that the path is to be spelled otherwise."""
    return bool(request.unquoted) and status in _UNKNOWN
