"""Scripts of every shape: each is executed, and gives the plan of the dict that says the same."""

from __future__ import annotations

import sys
import textwrap

import msgspec
import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.document import Document, Joined, SecretRef
from penstock.dialects.loading import Code

BASE = "https://api.example.com/"
HEAD = """\
import dlt
from dlt.sources.rest_api import rest_api_source, rest_api_resources, RESTAPIConfig
"""


def compiled(tmp_path, script, spec="pipeline.py", **values):
    """A script, executed where that is needed."""
    path = tmp_path / "pipeline.py"
    path.write_text(HEAD + textwrap.dedent(script), "utf-8")
    absent = _absent()
    code = Code(lookup=lambda name: values.get(name, absent))
    return compile_document(load(str(path.with_name(spec)), code))


def _absent():
    from penstock.dialects.dlt.standin.base.references import ABSENT  # noqa: PLC0415 (one use)

    return ABSENT


def plan_of(config):
    """The plan of a dict."""
    found = compile_document(Document.from_object(config, "pipeline"))
    return found.need()


def client(**more):
    return {"base_url": BASE, **more}


def config(*resources, **more):
    return {"client": client(**more), "resources": list(resources)}


TOKEN = {"type": "bearer", "token": SecretRef(name="token")}
USERS_AND_REPOS = config(
    {"name": "users", "endpoint": {"path": "users/all"}},
    {"name": "repos", "endpoint": {"path": "repos/all"}},
)

# A script, and the dict that says the same.
SHAPES = {
    "a decorated source": (
        """
        @dlt.source
        def api(token=dlt.secrets.value):
            yield from rest_api_resources({
                "client": {"base_url": "https://api.example.com/",
                           "auth": {"type": "bearer", "token": token}},
                "resources": ["users"],
            })
        """,
        config("users", auth=TOKEN),
    ),
    "a decorated source that returns a list": (
        """
        @dlt.source
        def api():
            return rest_api_resources({"client": {"base_url": "https://api.example.com/"},
                                       "resources": ["users", "repos"]})
        source = api()
        """,
        config("users", "repos"),
    ),
    "a comprehension": (
        """
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/"},
            "resources": [{"name": n, "endpoint": {"path": f"{n}/all"}}
                          for n in ("users", "repos")],
        })
        """,
        USERS_AND_REPOS,
    ),
    "a loop that appends": (
        """
        resources = []
        for name in ["users", "repos"]:
            resources.append({"name": name, "endpoint": {"path": name + "/all"}})
        config: RESTAPIConfig = {"client": {"base_url": "https://api.example.com/"}}
        config["resources"] = resources
        source = rest_api_source(config)
        """,
        USERS_AND_REPOS,
    ),
    "a function for each resource": (
        """
        def resource(name, **endpoint):
            return {"name": name, "endpoint": {"path": f"{name}/all", **endpoint}}
        source = rest_api_source(dict(
            client=dict(base_url="https://api.example.com/"),
            resources=[resource("users"), resource("repos")],
        ))
        """,
        USERS_AND_REPOS,
    ),
    "a class that builds it": (
        """
        class Api:
            base = "https://api.example.com/"
            def __init__(self, names):
                self.names = names
            def config(self):
                found = [dict(name=n, endpoint={"path": "%s/all" % n}) for n in self.names]
                return {"client": {"base_url": self.base}, "resources": found}
        source = rest_api_source(Api(["users", "repos"]).config())
        """,
        USERS_AND_REPOS,
    ),
    "a dataclass": (
        """
        import dataclasses
        @dataclasses.dataclass
        class Endpoint:
            path: str
            params: dict = dataclasses.field(default_factory=dict)
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/"},
            "resources": [{"name": "users",
                           "endpoint": dataclasses.asdict(Endpoint("u", {"a": 1}))}],
        })
        """,
        config({"name": "users", "endpoint": {"path": "u", "params": {"a": 1}}}),
    ),
    "secrets in an f-string": (
        """
        def headers():
            return {"Authorization": f"Token {dlt.secrets['token']}"}
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/", "headers": headers()},
            "resources": ["users"],
        })
        """,
        config(
            "users", headers={"Authorization": Joined(parts=("Token ", SecretRef(name="token")))}
        ),
    ),
    "a config value in the base URL": (
        """
        org = dlt.config["org"]
        base = "/".join(["https://api.example.com", org, "v1"]).rstrip("/")
        def client(): return {"base_url": base}
        source = rest_api_source({"client": client(), "resources": ["users"]})
        """,
        {
            "client": {
                "base_url": Joined(
                    parts=("https://api.example.com/", SecretRef(name="org", secret=False), "/v1")
                )
            },
            "resources": ["users"],
        },
    ),
    "nested secrets": (
        """
        def token(): return dlt.secrets["sources"]["api"]["token"]
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/",
                       "auth": {"type": "bearer", "token": token()}},
            "resources": ["users"],
        })
        """,
        config("users", auth={"type": "bearer", "token": SecretRef(name="sources.api.token")}),
    ),
    "a default that is given": (
        """
        def size(): return dlt.config.get("size", 50)
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/"},
            "resources": [{"name": "users", "endpoint": {"path": "u", "params": {"n": size()}}}],
        })
        """,
        config(
            {
                "name": "users",
                "endpoint": {
                    "path": "u",
                    "params": {"n": SecretRef(name="size", secret=False, default=50)},
                },
            }
        ),
    ),
    "paginator and auth classes": (
        """
        from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator
        from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
        def paginator(): return JSONLinkPaginator("links.next")
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/", "paginator": paginator(),
                       "auth": BearerTokenAuth(token=dlt.secrets["token"])},
            "resources": ["users"],
        })
        """,
        config("users", paginator={"type": "json_link", "next_url_path": "links.next"}, auth=TOKEN),
    ),
    "a paginator class of its own that sets arguments": (
        """
        from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
        class Pages(PageNumberPaginator):
            def __init__(self, size):
                super().__init__(base_page=1, page_param="p", total_path=None)
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/", "paginator": Pages(10)},
            "resources": ["users"],
        })
        """,
        config(
            "users",
            paginator={
                "type": "page_number",
                "base_page": 1,
                "page_param": "p",
                "total_path": None,
            },
        ),
    ),
    "an auth class of its own that sets a header": (
        """
        from dlt.sources.helpers.rest_client.auth import AuthConfigBase
        class KeyAuth(AuthConfigBase):
            def __init__(self, key):
                self.key = key
            def __call__(self, request):
                request.headers["X-Key"] = f"k:{self.key}"
                return request
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/", "auth": KeyAuth(dlt.secrets["key"])},
            "resources": ["users"],
        })
        """,
        config(
            "users",
            auth={
                "type": "api_key",
                "name": "X-Key",
                "api_key": Joined(parts=("k:", SecretRef(name="key"))),
                "location": "header",
            },
        ),
    ),
    "an incremental object": (
        """
        def since(): return dlt.sources.incremental("updated_at", initial_value="2024-01-01")
        source = rest_api_source({
            "client": {"base_url": "https://api.example.com/"},
            "resources": [{"name": "users",
                           "endpoint": {"path": "u", "params": {"since": since()}}}],
        })
        """,
        config(
            {
                "name": "users",
                "endpoint": {
                    "path": "u",
                    "params": {
                        "since": {
                            "type": "incremental",
                            "cursor_path": "updated_at",
                            "initial_value": "2024-01-01",
                        }
                    },
                },
            }
        ),
    ),
    "hints applied afterwards": (
        """
        source = rest_api_source({"client": {"base_url": "https://api.example.com/"},
                                  "resources": ["users", "repos"]})
        source.users.apply_hints(primary_key="id", write_disposition="merge")
        source.resources["repos"].apply_hints(table_name="repositories")
        """,
        config(
            {"name": "users", "primary_key": "id", "write_disposition": "merge"},
            {"name": "repos", "table_name": "repositories"},
        ),
    ),
    "only some resources": (
        """
        source = rest_api_source({"client": {"base_url": "https://api.example.com/"},
                                  "resources": ["users", "repos"]}).with_resources("users")
        """,
        config("users", {"name": "repos", "selected": False}),
    ),
    "resources taken one by one": (
        """
        @dlt.source
        def api():
            found = rest_api_resources({"client": {"base_url": "https://api.example.com/"},
                                        "resources": ["users", "repos"]})
            for resource in found:
                if resource.name == "users":
                    yield resource
        """,
        config("users", {"name": "repos", "selected": False}),
    ),
    "a source within a source": (
        """
        @dlt.source
        def inner(path=dlt.config.value):
            yield from rest_api_resources({"client": {"base_url": "https://api.example.com/"},
                                           "resources": [{"name": "users", "endpoint": path}]})
        @dlt.source
        def outer():
            return inner(path="people")
        source = outer()
        """,
        config({"name": "users", "endpoint": "people"}),
    ),
    "a decorated resource": (
        """
        @dlt.resource(name="users", write_disposition="replace")
        def users():
            yield from rest_api_resources({"client": {"base_url": "https://api.example.com/"},
                                           "resources": ["users"]})
        @dlt.source
        def api():
            return users
        """,
        config({"name": "users", "write_disposition": "replace"}),
    ),
    "a decorated resource that is run": (
        """
        @dlt.resource(name="people")
        def users():
            yield rest_api_source({"client": {"base_url": "https://api.example.com/"},
                                   "resources": ["users"]}).users
        dlt.pipeline("p", destination="duckdb").run(users())
        """,
        config({"name": "users", "table_name": "people"}),
    ),
    "two clients in one source": (
        """
        @dlt.source
        def both():
            yield from rest_api_resources({"client": {"base_url": "https://api.example.com/"},
                                           "resources": ["users"]})
            yield from rest_api_resources({
                "client": {"base_url": "https://two.example.com/v1", "headers": {"X-A": "{b}"},
                           "auth": {"type": "bearer", "token": dlt.secrets["two"]}},
                "resource_defaults": {"primary_key": "id", "endpoint": {"params": {"n": 1}}},
                "resources": [{"name": "repos", "endpoint": {"path": "r", "params": {"m": 2}}}]})
        """,
        config(
            {"name": "users", "endpoint": {"path": BASE + "users"}},
            {
                "name": "repos",
                "primary_key": "id",
                "endpoint": {
                    "path": "https://two.example.com/v1/r",
                    "params": {"n": 1, "m": 2},
                    "headers": {"X-A": "{{b}}"},
                    "auth": {"type": "bearer", "token": SecretRef(name="two")},
                },
            },
        ),
    ),
    "two sources of one run": (
        """
        a = rest_api_source({"client": {"base_url": "https://api.example.com/"},
                             "resources": ["users"]}, name="pipeline")
        b = rest_api_source({"client": {"base_url": "https://api.example.com/"},
                             "resources": ["repos"]})
        p = dlt.pipeline("p", destination="duckdb", dataset_name="d")
        p.run(a)
        p.run(b, write_disposition="replace")
        """,
        config("users", {"name": "repos", "write_disposition": "replace"}),
    ),
    "a copy that is changed": (
        """
        import copy
        BASE = {"client": {"base_url": "https://api.example.com/"}, "resources": ["users"]}
        mine = copy.deepcopy(BASE)
        mine["resources"].append("repos")
        mine |= {"resource_defaults": {"write_disposition": "replace"}}
        source = rest_api_source({**BASE, **mine})
        """,
        config("users", "repos") | {"resource_defaults": {"write_disposition": "replace"}},
    ),
    "a condition on a value": (
        """
        names = ["users"]
        if dlt.config["edition"] == "full":
            names += ["repos"]
        source = rest_api_source({"client": {"base_url": "https://api.example.com/"},
                                  "resources": names})
        """,
        config("users", "repos"),
    ),
    "arithmetic with a value": (
        """
        @dlt.source
        def api(pages: int = dlt.config.value):
            return rest_api_resources({
                "client": {"base_url": "https://api.example.com/"},
                "resources": [{"name": f"r{n}", "endpoint": {"path": f"r/{n}"}}
                              for n in range(pages)]})
        """,
        config(
            {"name": "r0", "endpoint": {"path": "r/0"}},
            {"name": "r1", "endpoint": {"path": "r/1"}},
        ),
    ),
    "a number that is only passed on": (
        """
        @dlt.source
        def api(size: int = dlt.config.value):
            return rest_api_resources({
                "client": {"base_url": "https://api.example.com/"},
                "resources": [{"name": "users", "endpoint": {"path": "u", "params": {"n": size}}}]})
        """,
        config(
            {
                "name": "users",
                "endpoint": {"path": "u", "params": {"n": SecretRef(name="size", secret=False)}},
            }
        ),
    ),
    "a main block": (
        """
        def load(names):
            config: RESTAPIConfig = {"client": {"base_url": "https://api.example.com/"},
                                     "resources": [{"name": n} for n in names]}
            dlt.pipeline(pipeline_name="p", destination="duckdb").run(rest_api_source(config))
        if __name__ == "__main__":
            load(["users"])
        """,
        config({"name": "users"}),
    ),
    "typed dicts": (
        """
        from dlt.sources.rest_api.typing import ClientConfig, EndpointResource, Endpoint
        def resource(name: str) -> EndpointResource:
            return EndpointResource(name=name, endpoint=Endpoint(path=f"{name}/all"))
        source = rest_api_source(RESTAPIConfig(
            client=ClientConfig(base_url="https://api.example.com/"),
            resources=[resource("users"), resource("repos")]))
        """,
        USERS_AND_REPOS,
    ),
    "a JSON file beside it": (
        """
        import json, pathlib
        held = json.loads('{"client": {"base_url": "https://api.example.com/"},'
                          ' "resources": ["a"]}')
        source = rest_api_source(held)
        """,
        config("a"),
    ),
    "source settings": (
        """
        source = rest_api_source({"client": {"base_url": "https://api.example.com/"},
                                  "resources": ["users"]}, max_table_nesting=0)
        """,
        config({"name": "users", "max_table_nesting": 0}),
    ),
    "only a configuration": (
        """
        def made():
            return {"client": {"base_url": "https://api.example.com/"}, "resources": ["users"]}
        config: RESTAPIConfig = made()
        """,
        config("users"),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_script_gives_the_plan_of_its_dict(tmp_path, shape):
    """However a script comes to its configuration, the plan is that of the configuration."""
    script, said = SHAPES[shape]
    before = set(sys.modules)
    found = compiled(tmp_path, script, edition="full", pages="2")
    assert [str(d) for d in found.diagnostics if d.severity == "error"] == []
    source = found.need()
    expected = plan_of(said)
    bare = {"name": "", "inputs": (), "pipeline": None, "homes": ()}
    assert msgspec.structs.replace(source, **bare) == msgspec.structs.replace(expected, **bare)
    assert {i.name for i in expected.inputs} == {i.name for i in source.inputs}
    assert not {m for m in set(sys.modules) - before if m == "dlt" or m.startswith("dlt.")}


def test_there_are_enough_shapes():
    """The table above is the proof that scripts run as they are: it does not shrink."""
    assert len(SHAPES) >= 30
