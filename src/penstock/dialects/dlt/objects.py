"""The names of dlt that a script may use instead of a dict: paginator, auth and cursor classes."""

from __future__ import annotations

import msgspec


class Shorthand(msgspec.Struct, frozen=True, kw_only=True):
    """A class whose call stands for a dict of this `type`; `args` name its positional ones."""

    type: str
    args: tuple[str, ...] = ()


BUILDERS = frozenset({"rest_api_source", "rest_api_resources"})
ANNOTATION = "RESTAPIConfig"

SHORTHANDS = {
    "SinglePagePaginator": Shorthand(type="single_page"),
    "JSONLinkPaginator": Shorthand(type="json_link", args=("next_url_path",)),
    "JSONResponsePaginator": Shorthand(type="json_link", args=("next_url_path",)),
    "HeaderLinkPaginator": Shorthand(type="header_link", args=("links_next_key",)),
    "HeaderCursorPaginator": Shorthand(
        type="header_cursor", args=("cursor_key", "cursor_param", "cursor_body_path")
    ),
    "JSONResponseCursorPaginator": Shorthand(
        type="cursor", args=("cursor_path", "cursor_param", "cursor_body_path")
    ),
    "OffsetPaginator": Shorthand(
        type="offset",
        args=("limit", "offset", "offset_param", "limit_param", "total_path", "maximum_offset"),
    ),
    "PageNumberPaginator": Shorthand(
        type="page_number",
        args=("base_page", "page", "page_param", "total_path", "maximum_page"),
    ),
    "BearerTokenAuth": Shorthand(type="bearer", args=("token",)),
    "APIKeyAuth": Shorthand(type="api_key", args=("name", "api_key", "location")),
    "HttpBasicAuth": Shorthand(type="http_basic", args=("username", "password")),
    "OAuth2ClientCredentials": Shorthand(
        type="oauth2_client_credentials",
        args=("access_token_url", "client_id", "client_secret", "access_token_request_data"),
    ),
    "incremental": Shorthand(
        type="incremental",
        args=("cursor_path", "initial_value", "last_value_func", "primary_key", "end_value"),
    ),
    "Incremental": Shorthand(
        type="incremental",
        args=("cursor_path", "initial_value", "last_value_func", "primary_key", "end_value"),
    ),
}
