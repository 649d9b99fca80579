"""Auth as a script finds it: what a dict can say, and what a class of its own builds on."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime
from typing import Any, ClassVar

from penstock.dialects.dlt.auth import OBTAINED
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import Marked
from penstock.dialects.dlt.standin.rest_client.parts import OF_MAPPINGS, Part

_HOUR = 3600
_OBTAINING = threading.RLock()  # functions of a run are called beside one another


class AuthConfigBase(Part):
    """The root of all auth; a script's own class that always sets one value is a dict, too."""

    what = "auth"
    more = OF_MAPPINGS | {"to_native_credentials"}
    needed: ClassVar[tuple[str, ...]] = ()  # the fields that must have a value
    native: ClassVar[str] = ""  # the one for which a text in place of all stands

    @property
    def runnable(self) -> bool:
        """Whether there is a method that signs."""
        return type(self).__call__ is not AuthConfigBase.__call__

    def __call__(self, request: Any) -> Any:
        """The request, signed."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def config(self) -> Marked:
        """The dict that says the same.

        Raises:
            Refusal: there is none, and the class has nothing to run either.
        """
        signs = next((c for c in type(self).__mro__ if "__call__" in vars(c)), None)
        if signs is None or getattr(signs, "own", True):
            return super().config()
        from penstock.dialects.dlt.standin.rest_client.signing import signed  # noqa: PLC0415 (few scripts)

        found = signed(self, signs)
        if found is None:
            raise Refusal(f"{type(self).__name__} does what no dict says")
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
    fields: ClassVar[tuple[str, ...]] = ("token",)
    needed: ClassVar[tuple[str, ...]] = ("token",)
    native: ClassVar[str] = "token"

    def parse_native_representation(self, value: Any) -> None:
        """Take a token."""
        self.token = value

    def __call__(self, request: Any) -> Any:
        """The request with the token."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class APIKeyAuth(AuthConfigBase):
    """A key in a header, a param or a cookie."""

    kind = "api_key"
    fields: ClassVar[tuple[str, ...]] = (
        "name",
        "api_key",
        "location",
    )
    needed: ClassVar[tuple[str, ...]] = ("api_key",)
    native: ClassVar[str] = "api_key"
    defaults: ClassVar[dict[str, Any]] = {"name": "Authorization", "location": "header"}

    def __call__(self, request: Any) -> Any:
        """The request with the key."""
        if self.location == "header":
            request.headers[self.name] = self.api_key
        elif self.location == "cookie":
            request.headers["Cookie"] = f"{self.name}={self.api_key}"
        else:
            request.prepare_url(request.url, {self.name: self.api_key})
        return request


class HttpBasicAuth(AuthConfigBase):
    """A user's name and password."""

    kind = "http_basic"
    fields: ClassVar[tuple[str, ...]] = (
        "username",
        "password",
    )
    needed: ClassVar[tuple[str, ...]] = fields

    def __call__(self, request: Any) -> Any:
        """The request with both."""
        from penstock.dialects.python.web import HTTPBasicAuth  # noqa: PLC0415 (in runs)

        return HTTPBasicAuth(str(self.username), str(self.password))(request)


class OAuth2AuthBase(AuthConfigBase):
    """A token that was obtained elsewhere."""

    kind = "bearer"
    fields: ClassVar[tuple[str, ...]] = ("access_token",)
    needed: ClassVar[tuple[str, ...]] = fields
    native: ClassVar[str] = "access_token"

    def _arguments(self) -> dict[str, Any]:
        held = super()._arguments()
        return {"token": held.get("access_token")}

    def parse_native_representation(self, value: Any) -> None:
        """Take a token."""
        self.access_token = value

    def __call__(self, request: Any) -> Any:
        """The request with the token."""
        request.headers["Authorization"] = f"Bearer {self.access_token}"
        return request


class _Renewed(AuthConfigBase):
    """Auth whose token is asked for, and asked for again once it has expired."""

    token_expiry = 0.0

    def _prepare(self) -> None:
        if self.given.get("session") is None:
            from penstock.dialects.python.web import Session  # noqa: PLC0415 (in runs)

            self.session = Session()

    def is_token_expired(self) -> bool:
        """Whether a new token is needed."""
        return time.time() >= self._expiry()

    def _expiry(self) -> float:
        """When the token ends, in seconds since 1970."""
        expiry = self.token_expiry
        return expiry.timestamp() if hasattr(expiry, "timestamp") else float(expiry or 0)

    def _arguments(self) -> dict[str, Any]:
        held = super()._arguments()
        return {k: v for k, v in held.items() if k != "session" or "session" in self.given}


class OAuth2ClientCredentials(_Renewed):
    """A token for a client's credentials."""

    kind = "oauth2_client_credentials"
    fields: ClassVar[tuple[str, ...]] = (
        "access_token",
        "access_token_url",
        "client_id",
        "client_secret",
        "access_token_request_data",
        "default_token_expiration",
        "session",
    )
    needed: ClassVar[tuple[str, ...]] = ("access_token_url", "client_id", "client_secret")
    defaults: ClassVar[dict[str, Any]] = {"default_token_expiration": _HOUR}

    def parse_native_representation(self, value: Any) -> None:
        """Take a token."""
        self.access_token = value

    def __call__(self, request: Any) -> Any:
        """The request with a token that is good."""
        with _OBTAINING:
            if self.access_token is None or self.is_token_expired():
                self.obtain_token()
        request.headers["Authorization"] = f"Bearer {self.access_token}"
        return request

    def _arguments(self) -> dict[str, Any]:
        held = super()._arguments()
        if self.access_token is not None and not self.is_token_expired():
            until = datetime.fromtimestamp(self._expiry(), UTC).isoformat()
            held[OBTAINED] = Marked({"token": self.access_token, "until": until})
        if "access_token" not in self.given:
            held.pop("access_token", None)
        return held

    def obtain_token(self) -> None:
        """Ask for a token."""
        response = self.session.post(self.access_token_url, **self.build_access_token_request())
        response.raise_for_status()
        answer = response.json()
        self.parse_native_representation(self.parse_access_token(answer))
        self.token_expiry = time.time() + self.parse_expiration_in_seconds(answer)

    def build_access_token_request(self) -> dict[str, Any]:
        """What is sent for a token: headers and a form."""
        return {
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            "data": {
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "grant_type": "client_credentials",
                **(self.access_token_request_data or {}),
            },
        }

    def parse_expiration_in_seconds(self, response_json: Any) -> int:
        """How long a token is good."""
        return int(response_json.get("expires_in", self.default_token_expiration))

    def parse_access_token(self, response_json: Any) -> str:
        """The token in an answer."""
        return str(response_json.get("access_token"))


class OAuthJWTAuth(_Renewed, BearerTokenAuth):
    """A token for a signed assertion; it needs PyJWT and cryptography, as in dlt."""

    kind = ""
    fields: ClassVar[tuple[str, ...]] = (
        "client_id",
        "private_key",
        "auth_endpoint",
        "scopes",
        "headers",
        "private_key_passphrase",
        "default_token_expiration",
        "session",
    )
    needed: ClassVar[tuple[str, ...]] = ("client_id", "private_key", "auth_endpoint")
    native: ClassVar[str] = ""
    defaults: ClassVar[dict[str, Any]] = {"default_token_expiration": _HOUR}
    token: Any = None

    def __call__(self, request: Any) -> Any:
        """The request with a token that is good."""
        with _OBTAINING:
            if self.token is None or self.is_token_expired():
                self.obtain_token()
        return super().__call__(request)

    def obtain_token(self) -> None:
        """Ask for a token."""
        import jwt  # noqa: PLC0415 (the user's own)

        assertion = jwt.encode(self.create_jwt_payload(), self.load_private_key(), "RS256")
        data = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": assertion,
        }
        response = self.session.post(self.auth_endpoint, headers=self.headers, data=data)
        response.raise_for_status()
        answer = response.json()
        self.token = answer["access_token"]
        lifetime = answer.get("expires_in", self.default_token_expiration)
        self.token_expiry = time.time() + lifetime

    def create_jwt_payload(self) -> dict[str, Any]:
        """The claims of the assertion."""
        now = time.time()
        scopes = self.scopes
        if scopes is not None and not isinstance(scopes, str):
            scopes = " ".join(scopes)
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.auth_endpoint,
            "exp": math.floor(now + _HOUR),
            "iat": math.floor(now),
        }
        return claims if scopes is None else {**claims, "scope": scopes}

    def load_private_key(self) -> Any:
        """The key that signs the assertion."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 (the user's own)

        phrase = self.private_key_passphrase
        return serialization.load_pem_private_key(
            str(self.private_key).encode(), str(phrase).encode() if phrase else None
        )
