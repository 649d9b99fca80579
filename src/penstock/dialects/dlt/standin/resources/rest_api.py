"""`dlt.sources.rest_api`: what makes a source of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.dialects.dlt.standin.base import arguments
from penstock.dialects.dlt.standin.base.record import remark, unknown
from penstock.dialects.dlt.standin.base.references import Sections
from penstock.dialects.dlt.standin.resources.factories import resource, source
from penstock.dialects.dlt.standin.resources.sources import (
    ON_SOURCE,
    DltResource,
    DltSource,
    Factory,
    flat,
)
from penstock.dialects.dlt.standin.rest_client.registry import changed, resolved
from penstock.dialects.dlt.standin.values.credentials import completed, configured
from penstock.dialects.dlt.standin.values.specs import within

TYPES = (
    *("RESTAPIConfig", "RESTAPIConfigBase", "ClientConfig", "EndpointResource", "Endpoint"),
    *("EndpointResourceBase", "ResourceBase", "ResponseActionDict", "ProcessingSteps"),
    *("IncrementalConfig", "IncrementalRESTArgs", "IncrementalParamConfig", "ParamBindConfig"),
    *("ResolveParamConfig", "AuthConfig", "AuthTypeConfig", "BearerTokenAuthConfig"),
    *("ApiKeyAuthConfig", "HttpBasicAuthConfig", "OAuth2ClientCredentialsConfig"),
    *("PaginatorConfig", "PaginatorTypeConfig", "PageNumberPaginatorConfig"),
    *("OffsetPaginatorConfig", "HeaderLinkPaginatorConfig", "JSONLinkPaginatorConfig"),
    *("JSONResponseCursorPaginatorConfig", "HeaderCursorPaginatorConfig"),
    *("ResolvedParam", "ResponseAction"),
)


class TypedDictStandin(dict[str, Any]):
    """A typed dict of dlt: its call is a dict, its name an annotation."""

    def __new__(cls, *args: Any, **named: Any) -> Any:
        """The dict."""
        return dict(*args, **named)


def rest_api_resources(config: Any) -> list[DltResource]:
    """The resources of a configuration; what is wrong with it is told when it is compiled.

    One with none, as a script may come to, leaves what stands beside it.
    """
    found = _resources(config, None)
    return [] if isinstance(config, Mapping) and config.get("resources") == [] else found


def _resources(config: Any, sections: Sections | None) -> list[DltResource]:
    """The resources of a configuration whose values stand in these sections."""
    if not isinstance(config, Mapping):
        kind = type(config).__name__
        raise TypeError(f"the configuration must be a dict, not {kind}")
    config = completed(resolved(config), sections)
    listed = config.get("resources")
    if not isinstance(listed, (list, tuple)) or not listed:
        return [DltResource(config, None, "")]
    if any(isinstance(item, Factory) for item in listed):
        listed = [one for item in listed for one in _called(item)]
        config = changed(config, "resources", listed)
    found = [_resource(config, item, nth) for nth, item in enumerate(listed)]
    names = [one.name for one in found if one.config is config]
    if len(set(names)) < len(names):  # which is told with the rest
        return [DltResource(config, None, "")]
    return found


def _called(item: Any) -> list[Any]:
    """What a decorated function that nobody has called gives; another item as it is."""
    return list(flat(item, "the function")) if isinstance(item, Factory) else [item]


def _resource(config: Mapping[str, Any], item: Any, nth: int) -> DltResource:
    if isinstance(item, DltResource):
        return item
    name = item.get("name") if isinstance(item, Mapping) else item
    return DltResource(config, item, str.__str__(name) if isinstance(name, str) else f"#{nth}")


def rest_api_source(
    config: Any,
    name: str | None = None,
    section: str | None = None,
    *_: Any,
    **settings: Any,
) -> DltSource:
    """A source of all resources of a configuration."""
    arguments.known("rest_api_source", settings)
    kept = {
        k: v for k, v in settings.items() if k in ON_SOURCE and v is not None and v is not False
    }
    sections = within(section or "rest_api", name or "rest_api")
    return DltSource(name, _resources(config, sections), **kept)


def rest_api(
    client: Any = None, resources: Any = None, resource_defaults: Any = None, **_: Any
) -> DltSource:
    """The same, from its parts."""
    given = {"client": client, "resources": resources, "resource_defaults": resource_defaults}
    said = {k: configured(k) if v is None else v for k, v in given.items()}
    config = {k: v for k, v in said.items() if v is not None}
    if "client" not in config or "resources" not in config:
        raise unknown("rest_api without client and resources", "give them in the script")
    return DltSource("rest_api", _resources(config, within("rest_api", "rest_api")))


def check_connection(source: DltSource, *resource_names: str) -> tuple[bool, str]:
    """Whether an API can be reached: nothing is asked here, and a run says itself what failed."""
    del source, resource_names
    remark("check_connection asks nothing", "what cannot be read is told by the run")
    return True, ""


def public() -> dict[str, Any]:
    """The names of the module."""
    types = {name: type(name, (TypedDictStandin,), {}) for name in TYPES}
    return {
        **types,
        "rest_api_source": rest_api_source,
        "rest_api_resources": rest_api_resources,
        "rest_api": rest_api,
        "check_connection": check_connection,
        "DltResource": DltResource,
        "DltSource": DltSource,
        "source": source,
        "resource": resource,
    }
