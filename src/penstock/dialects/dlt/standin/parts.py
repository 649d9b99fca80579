"""The classes whose instances a configuration may hold: paginators, auth and incrementals.

An instance keeps the arguments it was made with, and becomes the dict that says the same. A class
of the script's own is followed as far as it only sets arguments.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from penstock.dialects.dlt.standin.errors import Refusal
from penstock.dialects.dlt.standin.marks import Marked, Spot, caller
from penstock.dialects.dlt.standin.record import refuse

_HARMLESS = {"__init__", "__str__", "__repr__", "__doc__", "__module__", "__qualname__"}


class Part:
    """Something of dlt that stands for a dict of type `kind`; `fields` are its parameters."""

    kind: ClassVar[str] = ""
    what: ClassVar[str] = "object"
    fields: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[bool] = True  # whether it is one of dlt's, not of the script's

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.own = cls.__module__.startswith(__package__)

    def __new__(cls, *_args: Any, **_named: Any) -> Part:  # noqa: PYI034 (classes of scripts)
        """An instance that has its place, also if a class of the script's own never calls ours."""
        made = super().__new__(cls)
        made.given = Marked()
        made.made_at = caller()
        return made

    given: Marked
    made_at: Spot | None

    def __init__(self, *args: Any, **named: Any) -> None:
        cls = type(self)
        if len(args) > len(cls.fields):
            most = f"{cls.__name__} takes {len(cls.fields)} arguments, not {len(args)}"
            raise TypeError(most)
        self.given = Marked(dict(zip(cls.fields, args, strict=False)) | named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in {"given", "made_at"}:
            raise AttributeError(name)
        if name in self.given or name in type(self).fields:
            return self.given.get(name)
        raise refuse(Refusal(f"{type(self).__name__}.{name} is known only in a run of dlt"))

    def __bool__(self) -> bool:
        return True

    def config(self) -> Marked:
        """The dict that says the same.

        Raises:
            Refusal: the class does what no dict says.
        """
        own = self._own_method()
        if own is not None:
            raise own
        return Marked({"type": type(self).kind} | self._arguments(), self.made_at)

    def _arguments(self) -> dict[str, Any]:
        """The arguments, with those that a class of the script set afterwards."""
        later = {n: v for n, v in vars(self).items() if n in type(self).fields}
        return {**self.given, **later}

    def _own_method(self) -> Refusal | None:
        """Why an instance of a class of the script's own cannot be followed."""
        for cls in type(self).__mro__:
            if getattr(cls, "own", True) or not issubclass(cls, Part):
                continue
            for name, member in vars(cls).items():
                if name not in _HARMLESS and callable(getattr(member, "__func__", member)):
                    return _refused(cls, name, type(self).what)
        if type(self).kind:
            return None
        return Refusal(f"the {type(self).what} {type(self).__name__} has no counterpart in a run",
                       _HINT, spot=self.made_at)  # fmt: skip


_HINT = "use one of dlt's own, or describe the API in the configuration"


def _refused(cls: type, name: str, what: str) -> Refusal:
    method = getattr(cls, name)
    code = getattr(inspect.unwrap(method), "__code__", None)
    line = code.co_firstlineno if code is not None else 0
    spot = Spot(code.co_filename, line, 1) if code is not None else None
    message = f"the {what} {cls.__name__} has its own {name} (line {line}), which is not run"
    return Refusal(message, _HINT, spot=spot)


# Paginators.


class BasePaginator(Part):
    """The root of all paginators."""

    what = "paginator"

    def init_request(self, request: Any) -> None:
        """Part of dlt's protocol; pages are asked for by the plan."""

    def update_state(self, response: Any, data: Any = None) -> None:
        """The same."""

    def update_request(self, request: Any) -> None:
        """The same."""


class RangePaginator(BasePaginator):
    """The root of those that count."""


class BaseReferencePaginator(BasePaginator):
    """The root of those that follow something in the answer."""


class BaseNextUrlPaginator(BaseReferencePaginator):
    """The root of those that follow a link."""


class SinglePagePaginator(BasePaginator):
    """One page."""

    kind = "single_page"


class HeaderLinkPaginator(BaseNextUrlPaginator):
    """A link in the Link header."""

    kind = "header_link"
    fields = ("links_next_key",)


class JSONLinkPaginator(BaseNextUrlPaginator):
    """A link in the answer."""

    kind = "json_link"
    fields = ("next_url_path",)


class JSONResponsePaginator(JSONLinkPaginator):
    """The old name of a link in the answer."""


class JSONResponseCursorPaginator(BaseReferencePaginator):
    """A cursor in the answer."""

    kind = "cursor"
    fields = ("cursor_path", "cursor_param", "cursor_body_path", "stop_after_empty_page",
              "has_more_path")  # fmt: skip


class HeaderCursorPaginator(BaseReferencePaginator):
    """A cursor in a header."""

    kind = "header_cursor"
    fields = ("cursor_key", "cursor_param", "cursor_body_path")


class OffsetPaginator(RangePaginator):
    """Offset and limit."""

    kind = "offset"
    fields = ("limit", "offset", "offset_param", "limit_param", "total_path", "maximum_offset",
              "stop_after_empty_page", "has_more_path", "offset_body_path",
              "limit_body_path")  # fmt: skip


class PageNumberPaginator(RangePaginator):
    """Page numbers."""

    kind = "page_number"
    fields = ("base_page", "page", "page_param", "total_path", "maximum_page",
              "stop_after_empty_page", "has_more_path", "page_body_path")  # fmt: skip


# Auth.


class AuthConfigBase(Part):
    """The root of all auth; a script's own class that sets one header or param is followed."""

    what = "auth"

    def config(self) -> Marked:
        """The dict that says the same.

        Raises:
            Refusal: the class does what no dict says.
        """
        signs = next((c for c in type(self).__mro__ if "__call__" in vars(c)), None)
        if signs is None or getattr(signs, "own", True):
            return super().config()
        from penstock.dialects.dlt.standin.signing import signed  # noqa: PLC0415 (few scripts)

        found = signed(self, signs)
        if found is None:
            raise _refused(signs, "__call__", "auth")
        return Marked(found, self.made_at)

    def _arguments(self) -> dict[str, Any]:
        """The arguments, and fields that a class declares with a value."""
        declared = {n: getattr(type(self), n) for n in type(self).fields if n in _plain(type(self))}
        return {**declared, **super()._arguments()}


def _plain(cls: type) -> set[str]:
    """The attributes that classes of the script's own set to a plain value."""
    own = (c for c in cls.__mro__ if not getattr(c, "own", True))
    return {n for c in own for n, v in vars(c).items() if not callable(v)}


class BearerTokenAuth(AuthConfigBase):
    """A bearer token."""

    kind = "bearer"
    fields = ("token",)


class APIKeyAuth(AuthConfigBase):
    """A key in a header, a param or a cookie."""

    kind = "api_key"
    fields = ("name", "api_key", "location")


class HttpBasicAuth(AuthConfigBase):
    """A user's name and password."""

    kind = "http_basic"
    fields = ("username", "password")


class OAuth2AuthBase(AuthConfigBase):
    """A token that was obtained elsewhere."""

    kind = "bearer"
    fields = ("access_token",)

    def _arguments(self) -> dict[str, Any]:
        held = super()._arguments()
        return {"token": held.get("access_token")}


class OAuth2ClientCredentials(AuthConfigBase):
    """A token for a client's credentials."""

    kind = "oauth2_client_credentials"
    fields = ("access_token", "access_token_url", "client_id", "client_secret",
              "access_token_request_data", "default_token_expiration", "session")  # fmt: skip


class OAuthJWTAuth(AuthConfigBase):
    """A token for a signed assertion, which the dialect cannot say."""


# Incrementals.


class Incremental(Part):
    """A cursor: `dlt.sources.incremental`."""

    kind = "incremental"
    what = "incremental"
    fields = ("cursor_path", "initial_value", "last_value_func", "primary_key", "end_value",
              "row_order", "allow_external_schedulers", "on_cursor_value_missing", "lag",
              "range_start", "range_end")  # fmt: skip

    def __class_getitem__(cls, item: Any) -> type[Incremental]:
        return cls

    def __getattr__(self, name: str) -> Any:
        if name in {"last_value", "start_value"}:
            message = f"incremental.{name} is known only while records are read"
            hint = 'write "{incremental.start_value}" in the configuration where it is sent'
            raise refuse(Refusal(message, hint))
        return super().__getattr__(name)
