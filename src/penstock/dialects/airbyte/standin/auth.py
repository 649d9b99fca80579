"""Authenticators, as components name and subclass them."""

from __future__ import annotations

import base64
import json
import time
from abc import abstractmethod
from collections.abc import Mapping, MutableMapping
from dataclasses import InitVar, dataclass
from typing import Any

from penstock.dialects.airbyte.standin import paths as dpath
from penstock.dialects.airbyte.standin.decoders import Decoder, JsonDecoder
from penstock.dialects.airbyte.standin.interpolation import (
    InterpolatedBoolean,
    InterpolatedMapping,
    InterpolatedString,
)
from penstock.dialects.airbyte.standin.request_options import RequestOption, RequestOptionType
from penstock.dialects.airbyte.standin.values import Config
from penstock.dialects.python.web import AuthBase, PreparedRequest
from penstock.plan.jwt import signed


class AbstractHeaderAuthenticator(AuthBase):
    """Signs a request with a header."""

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """The request, signed."""
        r.headers.update(self.get_auth_header())
        return r

    def get_auth_header(self) -> Mapping[str, Any]:
        """The header."""
        return {self.auth_header: self.token} if self.auth_header else {}

    @property
    @abstractmethod
    def auth_header(self) -> str:
        """Its name."""
        raise NotImplementedError

    @property
    @abstractmethod
    def token(self) -> str:
        """Its value."""
        raise NotImplementedError


@dataclass
class DeclarativeAuthenticator(AbstractHeaderAuthenticator):
    """Signs a request with a header, or with values elsewhere in it."""

    def get_request_params(self) -> Mapping[str, Any]:
        """What goes into the query."""
        return {}

    def get_request_body_data(self) -> Mapping[str, Any] | str:
        """What goes into the form."""
        return {}

    def get_request_body_json(self) -> Mapping[str, Any]:
        """What goes into the JSON body."""
        return {}


@dataclass
class NoAuth(DeclarativeAuthenticator):
    """Leaves requests as they are."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters

    @property
    def auth_header(self) -> str:
        """None."""
        return ""

    @property
    def token(self) -> str:
        """None."""
        return ""


class TokenProvider:
    """Gives a token."""

    @abstractmethod
    def get_token(self) -> str:
        """The token."""
        raise NotImplementedError


@dataclass
class InterpolatedStringTokenProvider(TokenProvider):
    """Gives the token that a template says, as it is written."""

    config: Config
    api_token: Any
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._token = InterpolatedString.create(self.api_token, parameters=self.parameters)

    def get_token(self) -> str:
        """The token."""
        return self._token.as_written(self.config)


@dataclass
class SessionTokenProvider(TokenProvider):
    """Gives the token that a login gave."""

    login_requester: Any
    session_token_path: list[str]
    expiration_duration: Any
    parameters: InitVar[Mapping[str, Any]]
    message_repository: Any = None
    decoder: Decoder | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters
        self._token: str | None = None
        self._until = 0.0

    def get_token(self) -> str:
        """The token, obtained anew where it has run out."""
        if self._token is None or (self._until and time.time() >= self._until):
            self._refresh()
        return str(self._token)

    def _refresh(self) -> None:
        response = self.login_requester.send_request()
        decoder = self.decoder or JsonDecoder(parameters={})
        self._token = dpath.get(next(iter(decoder.decode(response))), self.session_token_path)
        if self.expiration_duration is not None:
            self._until = time.time() + self.expiration_duration.total_seconds()


@dataclass
class ApiKeyAuthenticator(DeclarativeAuthenticator):
    """Signs a request with a token at a place of the manifest's choice."""

    request_option: RequestOption
    token_provider: TokenProvider
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters

    @property
    def auth_header(self) -> str:
        """The name of the header, if it is one."""
        return next(iter(self._get_request_options(RequestOptionType.header)), "")

    @property
    def token(self) -> str:
        """The token."""
        return self.token_provider.get_token()

    def _get_request_options(self, option_type: RequestOptionType) -> Mapping[str, Any]:
        options: MutableMapping[str, Any] = {}
        if self.request_option.inject_into == option_type:
            self.request_option.inject_into_request(options, self.token, self.config)
        return options

    def get_request_params(self) -> Mapping[str, Any]:
        """What goes into the query."""
        return self._get_request_options(RequestOptionType.request_parameter)

    def get_request_body_data(self) -> Mapping[str, Any] | str:
        """What goes into the form."""
        return self._get_request_options(RequestOptionType.body_data)

    def get_request_body_json(self) -> Mapping[str, Any]:
        """What goes into the JSON body."""
        return self._get_request_options(RequestOptionType.body_json)


@dataclass
class BearerAuthenticator(DeclarativeAuthenticator):
    """Signs a request with a bearer token."""

    token_provider: TokenProvider
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters

    @property
    def auth_header(self) -> str:
        """The name of the header."""
        return "Authorization"

    @property
    def token(self) -> str:
        """The value of the header."""
        return f"Bearer {self.token_provider.get_token()}"


@dataclass(eq=False)
class BasicHttpAuthenticator(DeclarativeAuthenticator):
    """Signs a request with a name and a password."""

    username: Any
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    password: Any = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._username = InterpolatedString.create(self.username, parameters=parameters)
        self._password = InterpolatedString.create(self.password, parameters=parameters)

    @property
    def auth_header(self) -> str:
        """The name of the header."""
        return "Authorization"

    @property
    def token(self) -> str:
        """The value of the header."""
        pair = ":".join(t.as_written(self.config) for t in (self._username, self._password))
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


@dataclass
class SelectiveAuthenticator(DeclarativeAuthenticator):
    """One of several, picked by a value of the configuration."""

    config: Mapping[str, Any]
    authenticators: Mapping[str, DeclarativeAuthenticator]
    authenticator_selection_path: list[str]

    def __new__(  # type: ignore[misc]  # it stands for the one that is picked
        cls,
        config: Mapping[str, Any],
        authenticators: Mapping[str, DeclarativeAuthenticator],
        authenticator_selection_path: list[str],
        *arg: Any,
        **kwargs: Any,
    ) -> DeclarativeAuthenticator:
        """The one that is picked."""
        del arg, kwargs
        picked = str(dpath.get(config, authenticator_selection_path, default=None))
        if picked not in authenticators:
            raise ValueError(f"The authenticator `{picked}` is not found.")
        return authenticators[picked]


class JwtAlgorithm(str):
    """How a token is signed."""

    __slots__ = ()


@dataclass
class JwtAuthenticator(DeclarativeAuthenticator):
    """Signs a request with a token that it signs itself."""

    config: Mapping[str, Any]
    parameters: InitVar[Mapping[str, Any]]
    secret_key: Any
    algorithm: Any
    token_duration: int | None = None
    base64_encode_secret_key: Any = False
    header_prefix: Any = None
    kid: Any = None
    typ: Any = None
    cty: Any = None
    iss: Any = None
    sub: Any = None
    aud: Any = None
    additional_jwt_headers: Mapping[str, Any] | None = None
    additional_jwt_payload: Mapping[str, Any] | None = None
    passphrase: Any = None
    request_option: RequestOption | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._algorithm = str(getattr(self.algorithm, "value", self.algorithm))
        self._token_duration = self.token_duration
        self._request_option = self.request_option or RequestOption(
            inject_into=RequestOptionType.header, field_name="Authorization", parameters=parameters
        )

    def _text(self, given: Any) -> Any:
        made = InterpolatedString.create(given, parameters=self._parameters)
        return made.eval(self.config, json_loads=json.loads)

    def _all(self, given: Mapping[str, Any] | None, names: tuple[str, ...]) -> dict[str, Any]:
        more = InterpolatedMapping(given or {}, parameters=self._parameters)
        made = more.eval(self.config, json_loads=json.loads)
        held = {name: getattr(self, name) for name in names}
        made.update({name: self._text(value) for name, value in held.items() if value})
        return made

    def _get_jwt_headers(self) -> dict[str, Any]:
        return {
            **self._all(self.additional_jwt_headers, ("kid", "typ", "cty")),
            "alg": self._algorithm,
        }

    def _get_jwt_payload(self) -> dict[str, Any]:
        now = int(time.time())
        made = self._all(self.additional_jwt_payload, ("iss", "sub", "aud"))
        return {**made, "iat": now, "exp": now + (self._token_duration or 0), "nbf": now}

    def _get_secret_key(self) -> Any:
        secret = str(self._text(self.secret_key))
        given = self.base64_encode_secret_key
        if isinstance(given, str):
            given = InterpolatedBoolean(given, parameters=self._parameters).eval(self.config)
        return base64.b64encode(secret.encode()).decode() if given else secret

    def _get_signed_token(self) -> Any:
        headers, payload = self._get_jwt_headers(), self._get_jwt_payload()
        return signed(headers, payload, self._get_secret_key(), self._algorithm)

    def _get_header_prefix(self) -> Any:
        return self._text(self.header_prefix) if self.header_prefix else None

    @property
    def auth_header(self) -> str:
        """The name of the header, if it is one."""
        return next(iter(self._get_request_options(RequestOptionType.header)), "")

    @property
    def token(self) -> str:
        """The token, behind its scheme."""
        prefix = self._get_header_prefix()
        signed = self._get_signed_token()
        return f"{prefix} {signed}" if prefix else str(signed)

    def _get_request_options(self, option_type: RequestOptionType) -> Mapping[str, Any]:
        options: MutableMapping[str, Any] = {}
        if self._request_option.inject_into == option_type:
            self._request_option.inject_into_request(options, self.token, self.config)
        return options

    def get_request_params(self) -> Mapping[str, Any]:
        """What goes into the query."""
        return self._get_request_options(RequestOptionType.request_parameter)


class TokenAuthenticator(AbstractHeaderAuthenticator):
    """Signs a request with a token that is known."""

    def __init__(
        self, token: str, auth_method: str = "Bearer", auth_header: str = "Authorization"
    ) -> None:
        self._token, self._auth_method, self._auth_header = token, auth_method, auth_header

    @property
    def auth_header(self) -> str:
        """The name of the header."""
        return self._auth_header

    @property
    def token(self) -> str:
        """The value of the header."""
        return f"{self._auth_method} {self._token}"


class BasicTokenAuthenticator(TokenAuthenticator):
    """Signs a request with a name and a password that are known."""

    def __init__(
        self, username: str, password: str = "", auth_method: str = "Basic",
        auth_header: str = "Authorization",
    ) -> None:  # fmt: skip
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        super().__init__(pair, auth_method, auth_header)


class MultipleTokenAuthenticator(AbstractHeaderAuthenticator):
    """Signs requests with several tokens in turn."""

    def __init__(
        self, tokens: list[str], auth_method: str = "Bearer", auth_header: str = "Authorization"
    ) -> None:
        self._tokens, self._auth_method, self._auth_header = tokens, auth_method, auth_header
        self._turn = 0

    @property
    def auth_header(self) -> str:
        """The name of the header."""
        return self._auth_header

    @property
    def token(self) -> str:
        """The value of the header."""
        self._turn += 1
        return f"{self._auth_method} {self._tokens[(self._turn - 1) % len(self._tokens)]}"
