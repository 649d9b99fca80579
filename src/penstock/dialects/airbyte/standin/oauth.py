"""OAuth tokens: obtained, kept and renewed, each step a method that components override."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime, timedelta
from typing import Any

from penstock.dialects.airbyte.standin.auth import DeclarativeAuthenticator
from penstock.dialects.airbyte.standin.dates import (
    AirbyteDateTime,
    ab_datetime_now,
    ab_datetime_parse,
)
from penstock.dialects.airbyte.standin.interpolation import (
    InterpolatedBoolean,
    InterpolatedMapping,
    InterpolatedString,
)
from penstock.dialects.airbyte.standin.values import AirbyteTracedException, FailureType
from penstock.dialects.python import web

_DEPTH = 5
_TRIES = 3


class AbstractOauth2Authenticator(web.AuthBase):
    """Signs requests with a token that is renewed before it runs out."""

    _token_refresh_lock = threading.RLock()

    def __init__(
        self,
        refresh_token_error_status_codes: tuple[int, ...] = (),
        refresh_token_error_key: str = "",
        refresh_token_error_values: tuple[str, ...] = (),
    ) -> None:
        self._refresh_token_error_status_codes = refresh_token_error_status_codes
        self._refresh_token_error_key = refresh_token_error_key
        self._refresh_token_error_values = refresh_token_error_values

    def __call__(self, r: web.PreparedRequest) -> web.PreparedRequest:
        """The request, signed."""
        r.headers.update(self.get_auth_header())
        return r

    @property
    def _is_access_token_flow(self) -> bool:
        return self.get_token_refresh_endpoint() is None and self.access_token is not None

    @property
    def token_expiry_is_time_of_expiration(self) -> bool:
        """Whether the endpoint says when a token runs out, and not how long it lasts."""
        return False

    @property
    def token_expiry_date_format(self) -> str | None:
        """How it spells that."""
        return None

    def get_auth_header(self) -> Mapping[str, Any]:
        """The header."""
        token = self.access_token if self._is_access_token_flow else self.get_access_token()
        return {"Authorization": f"Bearer {token}"}

    def get_access_token(self) -> str:
        """A token that is good, obtained if need be."""
        if self.token_has_expired():
            with self._token_refresh_lock:
                if self.token_has_expired():
                    self.refresh_and_set_access_token()
        return self.access_token

    def refresh_and_set_access_token(self) -> None:
        """Obtain a token, and keep it."""
        token, expires_in = self.refresh_access_token()
        self.access_token = token
        self.set_token_expiry_date(expires_in)

    def token_has_expired(self) -> bool:
        """Whether the token that is kept is no good any more."""
        return bool(ab_datetime_now() > self.get_token_expiry_date())

    def _refresh_fields(self) -> dict[str, Any]:
        login = {name.lower() for name in self.get_refresh_request_headers() or {}}
        fields: dict[str, Any] = {self.get_grant_type_name(): self.get_grant_type()}
        if "authorization" not in login:
            fields[self.get_client_id_name()] = self.get_client_id()
            fields[self.get_client_secret_name()] = self.get_client_secret()
        fields[self.get_refresh_token_name()] = self.get_refresh_token()
        if self.get_scopes():
            fields["scopes"] = self.get_scopes()
        more = self.get_refresh_request_body() or {}
        fields.update({k: v for k, v in more.items() if k not in fields})
        return fields

    def build_refresh_request_body(self) -> Mapping[str, Any]:
        """The form of the token request."""
        return {} if self.should_send_refresh_request_as_query_params() else self._refresh_fields()

    def build_refresh_request_query_params(self) -> Mapping[str, Any] | None:
        """The query of the token request."""
        if not self.should_send_refresh_request_as_query_params():
            return None
        return {k: v for k, v in self._refresh_fields().items() if v is not None}

    def should_send_refresh_request_as_query_params(self) -> bool:
        """Whether the fields go into the query."""
        return False

    def build_refresh_request_headers(self) -> Mapping[str, Any] | None:
        """The headers of the token request."""
        return self.get_refresh_request_headers() or None

    def refresh_access_token(self) -> tuple[str, Any]:
        """A new token, and when it runs out."""
        found = self._make_handled_request()
        self._ensure_access_token_in_response(found)
        return self._extract_access_token(found), self._extract_token_expiry_date(found)

    def _make_handled_request(self) -> Any:
        for attempt in range(1, _TRIES + 1):
            response = web.request(
                "POST",
                str(self.get_token_refresh_endpoint()),
                data=self.build_refresh_request_body(),
                params=self.build_refresh_request_query_params(),
                headers=self.build_refresh_request_headers(),
            )
            again = response.status_code == 429 or response.status_code >= 500  # noqa: PLR2004 (the statuses that pass)
            if not again or attempt == _TRIES:
                break
        if not response.ok:
            self._refused(response)
        return response.json()

    def _refused(self, response: web.Response) -> None:
        statuses, values = self._refresh_token_error_status_codes, self._refresh_token_error_values
        if response.status_code in statuses:
            said = response.json().get(self._refresh_token_error_key)
            if said in values:
                raise AirbyteTracedException(
                    message="Refresh token is invalid or expired. Please re-authenticate.",
                    internal_message=response.text,
                    failure_type=FailureType.config_error,
                )
        response.raise_for_status()

    def _ensure_access_token_in_response(self, response_data: Mapping[str, Any]) -> None:
        if self._extract_access_token(response_data) is None:
            raise Exception(  # noqa: TRY002 (what is raised there)
                f"the token endpoint's answer holds no {self.get_access_token_name()}"
            )

    def _extract_access_token(self, response_data: Mapping[str, Any]) -> Any:
        return self._find_and_get_value_from_response(response_data, self.get_access_token_name())

    def _extract_refresh_token(self, response_data: Mapping[str, Any]) -> Any:
        return self._find_and_get_value_from_response(response_data, self.get_refresh_token_name())

    def _extract_token_expiry_date(self, response_data: Mapping[str, Any]) -> Any:
        name = self.get_expires_in_name()
        found = self._find_and_get_value_from_response(response_data, name)
        if found is None:
            return self._default_token_expiry_date()
        return self._parse_token_expiration_date(found)

    def _default_token_expiry_date(self) -> AirbyteDateTime:
        return ab_datetime_now() + timedelta(hours=1)

    def _parse_token_expiration_date(self, value: Any) -> AirbyteDateTime:
        if isinstance(value, datetime):
            return AirbyteDateTime.from_datetime(value)
        if self.token_expiry_is_time_of_expiration:
            return ab_datetime_parse(value)
        if self.token_expiry_date_format:
            return AirbyteDateTime.from_datetime(
                datetime.strptime(str(value), self.token_expiry_date_format)  # noqa: DTZ007 (a zone is added)
            )
        return ab_datetime_now() + timedelta(seconds=int(float(value)))

    def _find_and_get_value_from_response(
        self, response_data: Any, key_name: str, max_depth: int = _DEPTH, current_depth: int = 0
    ) -> Any:
        if current_depth > max_depth:
            return None
        if isinstance(response_data, dict) and key_name in response_data:
            return response_data[key_name]
        inner = response_data.values() if isinstance(response_data, dict) else response_data
        for value in inner if isinstance(inner, (list, type({}.values()))) else ():
            found = self._find_and_get_value_from_response(
                value, key_name, max_depth, current_depth + 1
            )
            if found is not None:
                return found
        return None

    @abstractmethod
    def get_token_refresh_endpoint(self) -> str | None:
        """The URL of the token endpoint."""
        raise NotImplementedError

    def get_client_id_name(self) -> str:
        """The name of the client id."""
        return "client_id"

    def get_client_id(self) -> str:
        """The client id."""
        raise NotImplementedError

    def get_client_secret_name(self) -> str:
        """The name of the client secret."""
        return "client_secret"

    def get_client_secret(self) -> str:
        """The client secret."""
        raise NotImplementedError

    def get_refresh_token_name(self) -> str:
        """The name of the refresh token."""
        return "refresh_token"

    def get_refresh_token(self) -> str | None:
        """The refresh token."""
        raise NotImplementedError

    def get_scopes(self) -> list[str]:
        """The scopes that are asked for."""
        return []

    def get_token_expiry_date(self) -> AirbyteDateTime:
        """When the token that is kept runs out."""
        raise NotImplementedError

    def set_token_expiry_date(self, value: Any) -> None:
        """Keep when the token runs out."""
        raise NotImplementedError

    def get_access_token_name(self) -> str:
        """Where the answer holds the token."""
        return "access_token"

    def get_expires_in_name(self) -> str:
        """Where the answer says how long it lasts."""
        return "expires_in"

    def get_refresh_request_body(self) -> Mapping[str, Any]:
        """Further fields of the token request."""
        return {}

    def get_refresh_request_headers(self) -> Mapping[str, Any]:
        """Headers of the token request."""
        return {}

    def get_grant_type(self) -> str:
        """What kind of grant is asked for."""
        return "refresh_token"

    def get_grant_type_name(self) -> str:
        """The name of that."""
        return "grant_type"

    access_token: str


@dataclass
class DeclarativeOauth2Authenticator(AbstractOauth2Authenticator, DeclarativeAuthenticator):
    """Signs requests with a token from an endpoint that the manifest names."""

    config: Mapping[str, Any]
    parameters: InitVar[Mapping[str, Any]]
    client_id: Any = None
    client_secret: Any = None
    token_refresh_endpoint: Any = None
    refresh_token: Any = None
    scopes: list[str] | None = None
    token_expiry_date: Any = None
    token_expiry_date_format: str | None = None
    token_expiry_is_time_of_expiration: bool = False
    access_token_name: Any = "access_token"
    access_token_value: Any = None
    client_id_name: Any = "client_id"
    client_secret_name: Any = "client_secret"
    expires_in_name: Any = "expires_in"
    refresh_token_name: Any = "refresh_token"
    refresh_request_body: Mapping[str, Any] | None = None
    refresh_request_headers: Mapping[str, Any] | None = None
    send_refresh_request_as_query_params: bool = False
    grant_type_name: Any = "grant_type"
    grant_type: Any = "refresh_token"
    message_repository: Any = None
    profile_assertion: Any = None
    use_profile_assertion: Any = False
    refresh_token_error_status_codes: tuple[int, ...] = ()
    refresh_token_error_key: str = ""
    refresh_token_error_values: tuple[str, ...] = ()

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(
            tuple(self.refresh_token_error_status_codes),
            self.refresh_token_error_key,
            tuple(self.refresh_token_error_values),
        )
        self._parameters = parameters
        self._access_token: str | None = self._text(self.access_token_value)
        expiry = self._text(self.token_expiry_date)
        self._token_expiry_date: Any = (
            ab_datetime_parse(expiry) if expiry else ab_datetime_now() - timedelta(days=1)
        )
        given = self.use_profile_assertion
        if isinstance(given, str):
            self.use_profile_assertion = InterpolatedBoolean(given, parameters=parameters).eval(
                self.config
            )

    def _text(self, given: Any) -> Any:
        if given is None or given == "":
            return None
        made = InterpolatedString.create(given, parameters=self._parameters)
        return made.as_written(self.config) or None

    def _mapping(self, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
        return InterpolatedMapping(given or {}, parameters=self._parameters).eval(self.config)

    def get_token_refresh_endpoint(self) -> str | None:
        """The URL of the token endpoint."""
        found: str | None = self._text(self.token_refresh_endpoint)
        return found

    def get_client_id_name(self) -> str:
        """The name of the client id."""
        return str(self._text(self.client_id_name))

    def get_client_id(self) -> str:
        """The client id."""
        found = self._text(self.client_id)
        if not found:
            raise ValueError("OAuthAuthenticator was unable to evaluate client_id parameter")
        return str(found)

    def get_client_secret_name(self) -> str:
        """The name of the client secret."""
        return str(self._text(self.client_secret_name))

    def get_client_secret(self) -> str:
        """The client secret."""
        return str(self._text(self.client_secret) or "")

    def get_refresh_token_name(self) -> str:
        """The name of the refresh token."""
        return str(self._text(self.refresh_token_name))

    def get_refresh_token(self) -> str | None:
        """The refresh token."""
        found: str | None = self._text(self.refresh_token)
        return found

    def get_scopes(self) -> list[str]:
        """The scopes that are asked for."""
        return self.scopes or []

    def get_access_token_name(self) -> str:
        """Where the answer holds the token."""
        return str(self._text(self.access_token_name))

    def get_expires_in_name(self) -> str:
        """Where the answer says how long it lasts."""
        return str(self._text(self.expires_in_name))

    def get_grant_type_name(self) -> str:
        """The name of the kind of grant."""
        return str(self._text(self.grant_type_name))

    def get_grant_type(self) -> str:
        """What kind of grant is asked for."""
        if self.use_profile_assertion:
            return "urn:ietf:params:oauth:grant-type:jwt-bearer"
        return str(self._text(self.grant_type))

    def get_refresh_request_body(self) -> Mapping[str, Any]:
        """Further fields of the token request."""
        return self._mapping(self.refresh_request_body)

    def get_refresh_request_headers(self) -> Mapping[str, Any]:
        """Headers of the token request."""
        return self._mapping(self.refresh_request_headers)

    def should_send_refresh_request_as_query_params(self) -> bool:
        """Whether the fields go into the query."""
        return self.send_refresh_request_as_query_params

    def build_refresh_request_body(self) -> Mapping[str, Any]:
        """The form of the token request."""
        if self.use_profile_assertion:
            return {
                self.get_grant_type_name(): self.get_grant_type(),
                "assertion": self.profile_assertion.token,
            }
        return super().build_refresh_request_body()

    def _has_access_token_been_initialized(self) -> bool:
        return self._access_token is not None

    def get_token_expiry_date(self) -> AirbyteDateTime:
        """When the token that is kept runs out."""
        if not self._has_access_token_been_initialized():
            return AirbyteDateTime(1970, 1, 1)
        kept: AirbyteDateTime = self._token_expiry_date
        return kept

    def set_token_expiry_date(self, value: Any) -> None:
        """Keep when the token runs out."""
        kept = value if isinstance(value, datetime) else self._parse_token_expiration_date(value)
        self._token_expiry_date = kept

    @property
    def access_token(self) -> str:
        """The token that is kept."""
        if self._access_token is None:
            raise ValueError("access_token is not set")
        return self._access_token

    @access_token.setter
    def access_token(self, value: str) -> None:
        """Keep a token."""
        self._access_token = value

    @property
    def auth_header(self) -> str:
        """The name of the header."""
        return "Authorization"

    @property
    def token(self) -> str:
        """The value of the header."""
        return f"Bearer {self.get_access_token()}"

    @property
    def _is_access_token_flow(self) -> bool:
        return self.get_token_refresh_endpoint() is None and self._access_token is not None


@dataclass
class DeclarativeSingleUseRefreshTokenOauth2Authenticator(DeclarativeOauth2Authenticator):
    """The same where every refresh token can be used once."""

    def refresh_and_set_access_token(self) -> None:
        """Obtain a token, and keep it and the next refresh token."""
        found = self._make_handled_request()
        self._ensure_access_token_in_response(found)
        self.access_token = self._extract_access_token(found)
        self.refresh_token = self._extract_refresh_token(found) or self.refresh_token
        self.set_token_expiry_date(self._extract_token_expiry_date(found))


class Oauth2Authenticator(AbstractOauth2Authenticator):
    """Signs requests with a token, from values that are known."""

    def __init__(
        self,
        token_refresh_endpoint: str,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        scopes: list[str] | None = None,
        token_expiry_date: AirbyteDateTime | None = None,
        access_token_name: str = "access_token",
        expires_in_name: str = "expires_in",
        refresh_request_body: Mapping[str, Any] | None = None,
        refresh_request_headers: Mapping[str, Any] | None = None,
        grant_type: str = "refresh_token",
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self._endpoint, self._client_id, self._client_secret = (
            token_refresh_endpoint, client_id, client_secret,
        )  # fmt: skip
        self._refresh_token, self._scopes = refresh_token, scopes or []
        self._until = token_expiry_date or ab_datetime_now() - timedelta(days=1)
        self._names = access_token_name, expires_in_name
        self._more = refresh_request_body or {}, refresh_request_headers or {}
        self._grant_type = grant_type
        self._given = kwargs
        self.access_token = ""

    def get_token_refresh_endpoint(self) -> str | None:
        """The URL of the token endpoint."""
        return self._endpoint

    def get_client_id(self) -> str:
        """The client id."""
        return self._client_id

    def get_client_secret(self) -> str:
        """The client secret."""
        return self._client_secret

    def get_refresh_token(self) -> str | None:
        """The refresh token."""
        return self._refresh_token

    def get_scopes(self) -> list[str]:
        """The scopes that are asked for."""
        return self._scopes

    def get_access_token_name(self) -> str:
        """Where the answer holds the token."""
        return self._names[0]

    def get_expires_in_name(self) -> str:
        """Where the answer says how long it lasts."""
        return self._names[1]

    def get_refresh_request_body(self) -> Mapping[str, Any]:
        """Further fields of the token request."""
        return self._more[0]

    def get_refresh_request_headers(self) -> Mapping[str, Any]:
        """Headers of the token request."""
        return self._more[1]

    def get_grant_type(self) -> str:
        """What kind of grant is asked for."""
        return self._grant_type

    def get_token_expiry_date(self) -> AirbyteDateTime:
        """When the token that is kept runs out."""
        return self._until

    def set_token_expiry_date(self, value: Any) -> None:
        """Keep when the token runs out."""
        self._until = value
