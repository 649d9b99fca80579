"""Scripts whose auth leaves out what dlt finds among the values of a source."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Reply

ENDPOINT = '{"data_selector": "data", "paginator": "single_page"}'
HEAD = """
from typing import Union
from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.sources.helpers.rest_client.auth import (
    APIKeyAuth, AuthConfigBase, BearerTokenAuth, HttpBasicAuth, OAuth2ClientCredentials)
"""


def things(ask: Ask) -> Any:
    """Rows that say how they were asked for; a token endpoint beside them."""
    if ask.path == "/token":
        return {"access_token": "t1", "expires_in": 3600}
    said = (ask.headers.get("authorization", ""), ask.headers.get("x-key", ""), ask.param("k"))
    if not any(said):
        return Reply(status=401, body={})
    return {"data": [{"id": 1, "auth": "|".join(said)}]}


def _plain(auth: str, **more: Any) -> Written:
    """A source whose client has this auth."""
    text = f"""
    {{"client": {{"base_url": "BASE", "auth": {auth}}},
      "resources": [{{"name": "things", "endpoint": {ENDPOINT}}}]}}"""
    source = f"rest_api_source({text.strip()}, name='shop'{more.pop('section', '')})"
    return Written(text=HEAD + more.pop("before", ""), api=things, source=source, runs=1, **more)


def _inside(parameters: str, auth: str, decorator: str = "@dlt.source", **more: Any) -> Written:
    """A function that makes the source."""
    text = f"""
{decorator}
def shop({parameters}):
    return rest_api_resources({{
        "client": {{"base_url": "BASE", "auth": {auth}}},
        "resources": [{{"name": "things", "endpoint": {ENDPOINT}}}],
    }})
"""
    return Written(text=HEAD + text, api=things, source="shop()", runs=1, **more)


BEARER = "credentials: BearerTokenAuth = dlt.secrets.value"
OAUTH = '{"type": "oauth2_client_credentials", "access_token_url": "BASE/token", "client_id": "i"}'
SIGNED = """
@configspec
class Signed(AuthConfigBase):
    key: TSecretStrValue = None
    suffix: str = "e"

    def __call__(self, request):
        request.headers["X-Key"] = f"{self.key}-{self.suffix}"
        return request
"""


def _set(**values: str) -> dict[str, str]:
    return {name.upper(): value for name, value in values.items()}


AUTH = {
    "auth, a word": _plain('"bearer"', environ=_set(credentials__token="a")),
    "auth, a word, the source's section": _plain('"bearer"', environ=_set(
        credentials__token="a", sources__rest_api__shop__credentials__token="b")),
    "auth, a word, the sections in their order": _plain('"bearer"', environ=_set(
        sources__rest_api__credentials__token="a", sources__shop__credentials__token="b")),
    "auth, a word, a section of the script's": _plain('"bearer"', section=", section='sec'",
        environ=_set(sources__sec__shop__credentials__token="b")),
    "auth, a word, from a file": _plain(
        '"bearer"', secrets='[sources.rest_api.shop.credentials]\ntoken = "c"\n'),
    "auth, a text in place of all fields": _plain(
        '"api_key"', secrets='[sources.shop]\ncredentials = "c"\n'),
    "auth, name and place of a key": _plain('"api_key"', environ=_set(
        credentials__api_key="v", credentials__name="k", credentials__location="query")),
    "auth, a key that is left out": _plain(
        '{"type": "api_key", "name": "X-Key"}', environ=_set(credentials__api_key="v")),
    "auth, name and password": _plain('"http_basic"', environ=_set(
        credentials__username="u", credentials__password="p")),
    "auth, a secret that is left out": _plain(OAUTH, environ=_set(credentials__client_secret="s")),
    "auth, objects without a value": _plain(
        "BearerTokenAuth()", environ=_set(credentials__token="a")),
    "auth, objects with a part of it": _plain(
        'HttpBasicAuth("u")', environ=_set(sources__shop__credentials__password="p")),
    "auth, a class of its own": _plain(
        "Signed()", before=SIGNED, environ=_set(credentials__key="a")),
    "auth, a parameter": _inside(
        BEARER, "credentials", secrets='[sources.pipeline.shop.credentials]\ntoken = "c"\n'),
    "auth, a parameter that is one text": _inside(
        BEARER, "credentials", secrets='[sources.pipeline.shop]\ncredentials = "c"\n'),
    "auth, a parameter of two classes": _inside(
        BEARER.replace("BearerTokenAuth", "Union[BearerTokenAuth, HttpBasicAuth]"), "credentials",
        secrets='[sources.pipeline.credentials]\nusername = "u"\npassword = "p"\n'),
    "auth, a parameter of another name": _inside(
        BEARER.replace("credentials", "login"), "login",
        environ=_set(sources__pipeline__shop__login__token="d")),
    "auth, the section of a function": _inside("", '"bearer"', environ=_set(
        credentials__token="a", sources__pipeline__shop__credentials__token="b")),
    "auth, a section that a function has": _inside(
        "", '{"type": "bearer"}', decorator='@dlt.source(name="acme", section="sec")',
        environ=_set(sources__sec__acme__credentials__token="b")),
    "auth, a source from files alone": Written(
        text="from dlt.sources.rest_api import rest_api", api=things, source="rest_api()", runs=1,
        secrets="""
[sources.rest_api.rest_api]
resources = ["things"]
[sources.rest_api.rest_api.client]
base_url = "BASE"
paginator = "single_page"
auth = {type = "api_key", name = "X-Key", api_key = "v"}
"""),
}  # fmt: skip
