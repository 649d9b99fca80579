"""Paginators as a script finds them: what a dict can say, and what a class of its own builds on.

An instance of a class that only sets arguments becomes the dict that says the same. One that has
logic of its own is called for every page, as dlt does it: `init_request` before the first, then
`update_state` with each answer and `update_request` for the next page.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from penstock.dialects.dlt.paths import found_at
from penstock.dialects.dlt.standin.rest_client.parts import Part


class BasePaginator(Part):
    """The root of all paginators."""

    what = "paginator"
    _has_next_page = True

    @property
    def runnable(self) -> bool:
        """Whether there is a method that says which page is next."""
        return type(self).update_state is not BasePaginator.update_state

    @property
    def has_next_page(self) -> bool:
        """Whether there is another page."""
        return self._has_next_page

    def init_request(self, request: Any) -> None:
        """Prepare the request of the first page."""

    def update_state(self, response: Any, data: Any = None) -> None:
        """Learn from an answer which page is next."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state")

    def update_request(self, request: Any) -> None:
        """Prepare the request of the next page."""


class SinglePagePaginator(BasePaginator):
    """One page."""

    kind = "single_page"

    def update_state(self, response: Any, data: Any = None) -> None:
        """There is no other page."""
        del response, data
        self._has_next_page = False


def put(request: Any, param: str | None, body_path: str | None, value: Any) -> None:
    """Put a value into the query, or at a path of the body, of a request."""
    if body_path:
        request.json = {} if request.json is None else request.json
        *parents, last = body_path.split(".")
        held = request.json
        for name in parents:
            held = held.setdefault(name, {})
        held[last] = value
    else:
        request.params = {} if request.params is None else request.params
        request.params[param] = value


def _truth(value: Any, path: Any, who: object) -> bool:
    """A sign for more pages as a boolean.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "yes", "t", "y", "1", "on"}:
        return True
    if isinstance(value, str) and value.lower() in {"false", "no", "f", "n", "0", "off"}:
        return False
    name = type(who).__name__
    if value is None:
        raise ValueError(f"{name}: the answer holds nothing at {path!r}")
    raise ValueError(f"{name}: what the answer holds at {path!r} is no boolean: {value!r}")


class RangePaginator(BasePaginator):
    """The root of those that count."""

    fields: ClassVar[tuple[str, ...]] = (
        "param_name",
        "initial_value",
        "value_step",
        "base_index",
        "maximum_value",
        "total_path",
        "error_message_items",
        "stop_after_empty_page",
        "has_more_path",
        "param_body_path",
    )
    defaults: ClassVar[dict[str, Any]] = {"base_index": 0, "stop_after_empty_page": True}

    def _prepare(self) -> None:
        self._count(self.param_name, self.param_body_path, self.initial_value)

    def _count(self, param: Any, body: Any, start: Any) -> None:
        """Where the number goes, and the first one."""
        self._param, self._body = param, body
        self.initial_value = self.current_value = start

    def init_request(self, request: Any) -> None:
        """Ask for the first number."""
        self._has_next_page = True
        self.current_value = self.initial_value
        self.update_request(request)

    def update_state(self, response: Any, data: Any = None) -> None:
        """Count on, unless the answer says that this was the last page."""
        if self.stop_after_empty_page and not data:
            self._has_next_page = False
            return
        answer = response.json() if self.total_path or self.has_more_path else None
        total = self._total(answer) if self.total_path else None
        self.current_value += self.value_step
        last = total is not None and self.current_value >= total + self.base_index
        limit = self.maximum_value
        if last or (limit is not None and self.current_value >= limit):
            self._has_next_page = False
        if self.has_more_path:
            more = _truth(found_at(self.has_more_path, answer), self.has_more_path, self)
            self._has_next_page = self._has_next_page and more

    def _total(self, answer: Any) -> int:
        found = found_at(self.total_path, answer)
        try:
            return int(found)
        except (TypeError, ValueError):
            name = type(self).__name__
            message = f"{name}: the answer holds no whole number at {self.total_path!r}"
            raise ValueError(message) from None

    def update_request(self, request: Any) -> None:
        """Ask for the number."""
        put(request, self._param, self._body, self.current_value)


class PageNumberPaginator(RangePaginator):
    """Page numbers."""

    kind = "page_number"
    fields: ClassVar[tuple[str, ...]] = (
        "base_page",
        "page",
        "page_param",
        "total_path",
        "maximum_page",
        "stop_after_empty_page",
        "has_more_path",
        "page_body_path",
    )
    defaults: ClassVar[dict[str, Any]] = {
        "base_page": 0, "total_path": "total", "stop_after_empty_page": True,
    }  # fmt: skip
    value_step = 1

    def _prepare(self) -> None:
        param = self.page_param or (None if self.page_body_path else "page")
        self.base_index, self.maximum_value = self.base_page, self.maximum_page
        self._count(param, self.page_body_path, self.base_page if self.page is None else self.page)
        self.param_name = param


class OffsetPaginator(RangePaginator):
    """Offset and limit."""

    kind = "offset"
    fields: ClassVar[tuple[str, ...]] = (
        "limit",
        "offset",
        "offset_param",
        "limit_param",
        "total_path",
        "maximum_offset",
        "stop_after_empty_page",
        "has_more_path",
        "offset_body_path",
        "limit_body_path",
    )
    defaults: ClassVar[dict[str, Any]] = {
        "offset": 0, "total_path": "total", "stop_after_empty_page": True,
    }  # fmt: skip
    base_index = 0

    def _prepare(self) -> None:
        param = self.offset_param or (None if self.offset_body_path else "offset")
        self.value_step, self.maximum_value = self.limit, self.maximum_offset
        self._count(param, self.offset_body_path, self.offset)
        self.param_name = param

    def update_request(self, request: Any) -> None:
        """Ask for the number, and for so many records."""
        super().update_request(request)
        param = self.limit_param or (None if self.limit_body_path else "limit")
        put(request, param, self.limit_body_path, self.limit)


class BaseReferencePaginator(BasePaginator):
    """The root of those that follow something in the answer."""

    _reference: Any = None

    @property
    def _next_reference(self) -> Any:
        return self._reference

    @_next_reference.setter
    def _next_reference(self, value: Any) -> None:
        self._reference = value
        self._has_next_page = value is not None


class BaseNextUrlPaginator(BaseReferencePaginator):
    """The root of those that follow a link."""

    def update_request(self, request: Any) -> None:
        """Ask for the link, which is whole."""
        if self._next_reference and not urlsplit(self._next_reference).scheme:
            self._next_reference = urljoin(request.url, self._next_reference)
        request.url = self._next_reference
        request.params = None


class HeaderLinkPaginator(BaseNextUrlPaginator):
    """A link in the Link header."""

    kind = "header_link"
    fields: ClassVar[tuple[str, ...]] = ("links_next_key",)
    defaults: ClassVar[dict[str, Any]] = {"links_next_key": "next"}

    def update_state(self, response: Any, data: Any = None) -> None:
        """Take the link."""
        del data
        self._next_reference = response.links.get(self.links_next_key, {}).get("url")


class JSONLinkPaginator(BaseNextUrlPaginator):
    """A link in the answer."""

    kind = "json_link"
    fields: ClassVar[tuple[str, ...]] = ("next_url_path",)
    defaults: ClassVar[dict[str, Any]] = {"next_url_path": "next"}

    def update_state(self, response: Any, data: Any = None) -> None:
        """Take the link."""
        del data
        self._next_reference = found_at(self.next_url_path, response.json())


class JSONResponsePaginator(JSONLinkPaginator):
    """The old name of a link in the answer."""


class JSONResponseCursorPaginator(BaseReferencePaginator):
    """A cursor in the answer."""

    kind = "cursor"
    fields: ClassVar[tuple[str, ...]] = (
        "cursor_path",
        "cursor_param",
        "cursor_body_path",
        "stop_after_empty_page",
        "has_more_path",
    )
    defaults: ClassVar[dict[str, Any]] = {"cursor_path": "cursors.next"}

    def update_state(self, response: Any, data: Any = None) -> None:
        """Take the cursor."""
        answer = response.json()
        self._next_reference = found_at(self.cursor_path, answer) or None
        if self.stop_after_empty_page and not data:
            self._has_next_page = False
        if self.has_more_path:
            more = _truth(found_at(self.has_more_path, answer), self.has_more_path, self)
            self._has_next_page = self._has_next_page and more

    def update_request(self, request: Any) -> None:
        """Ask with the cursor."""
        param = self.cursor_param or (None if self.cursor_body_path else "cursor")
        put(request, param, self.cursor_body_path, self._next_reference)


class HeaderCursorPaginator(BaseReferencePaginator):
    """A cursor in a header."""

    kind = "header_cursor"
    fields: ClassVar[tuple[str, ...]] = (
        "cursor_key",
        "cursor_param",
        "cursor_body_path",
    )
    defaults: ClassVar[dict[str, Any]] = {"cursor_key": "next", "cursor_param": "cursor"}

    def update_state(self, response: Any, data: Any = None) -> None:
        """Take the cursor."""
        del data
        self._next_reference = response.headers.get(self.cursor_key)

    def update_request(self, request: Any) -> None:
        """Ask with the cursor."""
        put(request, self.cursor_param, self.cursor_body_path, self._next_reference)
