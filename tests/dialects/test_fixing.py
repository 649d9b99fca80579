"""`check --fix`: the text says what was meant, the plan stays, and nothing is left to repair."""

from __future__ import annotations

import json
import pprint
import textwrap

import pytest
import yaml
from msgspec.structs import replace

from penstock.dialects import compile_document, fix, load
from penstock.dialects.loading import Code
from penstock.plan.pagination import Counter

CLIENT = {"base_url": "https://api.test/v1"}
USERS = {"name": "users", "endpoint": {"path": "users"}}
OAUTH = {"type": "oauth2", "token_url": "https://api.test/t", "client_id": "a",
         "client_secret": "dlt.secrets['s']"}  # fmt: skip


def resource(**more):
    return {"client": CLIENT, "resources": [USERS, {"name": "a", **more}]}


def paginated(**paginator):
    return resource(endpoint={"path": "a", "paginator": paginator})


def signed(auth):
    return {"client": {**CLIENT, "auth": auth}, "resources": [USERS]}


# Each repair, and the code of the warning that it silences.
BROKEN = {
    "auth of another name": ("renamed-value", signed({"type": "Bearer", "token": "x"})),
    "auth with other keys": ("renamed-key", signed({"type": "bearer", "api_token": "x"})),
    "no auth": ("renamed-value", signed("none")),
    "no auth as a mapping": ("renamed-value", signed({"type": "none"})),
    "basic auth": ("renamed-value", signed({"type": "basic", "user": "u", "pass": "p"})),
    "an api key": ("renamed-value", signed({"type": "apikey", "key": "k", "in": "query"})),
    "oauth2": ("renamed-value", signed(OAUTH)),
    "oauth2 with a scope": ("renamed-key", signed({**OAUTH, "scope": "read"})),
    "oauth2 with scopes": ("renamed-key", signed({**OAUTH, "scopes": ["r", "w"]})),
    "oauth2 with a scope and data": (
        "renamed-key",
        signed({**OAUTH, "scopes": ["r"], "access_token_request_data": {"audience": "x"}}),
    ),
    "a paginator of another name": ("renamed-value", resource(endpoint={"paginator": "page"})),
    "a link of another name": ("renamed-value", paginated(type="next_url", next_url="meta.next")),
    "a page size": ("page-size", paginated(type="json_link", limit=5)),
    "a page size of another name": ("page-size", paginated(type="cursor", page_size=5)),
    "a link as cursor": ("link-as-cursor", paginated(type="cursor", cursor_path="links.next")),
    "a link as cursor with a size": (
        "link-as-cursor",
        paginated(type="cursor", cursor_path="links.next", per_page=5),
    ),
    "a first page": ("assumed-first-page", paginated(type="page_number", page_param="p")),
    "a path on the resource": ("misplaced-key", resource(path="a/b")),
    "an endpoint on the resource": (
        "misplaced-key",
        resource(path="a/b", params={"x": 1, "y": [1, 2]}, method="get", data_selector="rows"),
    ),
    "a key beside the endpoint's path": (
        "misplaced-key",
        resource(endpoint="a/b", params={"x": {"type": "incremental", "cursor_path": "at"}}),
    ),
    "a key beside the endpoint": (
        "misplaced-key",
        resource(endpoint={"path": "a"}, paginator={"type": "page", "page_param": "p"}),
    ),
    "a status as text": (
        "renamed-value",
        resource(endpoint={"response_actions": [{"status_code": "404", "action": "ignore"}]}),
    ),
    "a parent that is inferred": (
        "inferred-parent",
        resource(endpoint={"path": "users/{{ stream_partition['user_id'] }}/a"}),
    ),
    "a parent beside other params": (
        "inferred-parent",
        resource(endpoint={"path": "users/{{ stream_partition.user_id }}/a", "params": {"x": 1}}),
    ),
    "a parent of an endpoint that is a path": (
        "inferred-parent",
        resource(endpoint="users/{{ stream_slice.user_id }}/a"),
    ),
    "a parent of a path on the resource": (
        "inferred-parent",
        resource(path="users/{{ stream_partition.user_id }}/a"),
    ),
    "a value in a path": (
        "airbyte-template",
        resource(endpoint={"path": "a/{{ config['region'] }}/{{ config['zone'] }}/b"}),
    ),
    "a value that ends a path": (
        "airbyte-template",
        resource(endpoint="a/{{ config['zone'] }}"),
    ),
    "a value in the last segment of a path": (
        "airbyte-template",
        resource(path='a/of-{{ config["zone-name"] }}.json?x={{ config.x }}'),
    ),
    "a value beside a parent in a path": (
        "airbyte-template",
        resource(endpoint={"path": "users/{resources.users.id}/{{ config['zone'] }}"}),
    ),
    "a parent that ends a path": (
        "inferred-parent",
        resource(endpoint={"path": "users/{{ stream_partition.user_id }}"}),
    ),
    "a parent that ends a path behind a value": (
        "airbyte-template",
        resource(endpoint={"path": "{{ config['v'] }}/users/{{ stream_partition['user_id'] }}",
                           "params": {"user_id": {"type": "resolve", "resource": "users",
                                                  "field": "id"}}}),
    ),
    "a value inside a param": (
        "airbyte-template",
        resource(endpoint={"params": {"q": "in:{{ config['region'] }} {{ config.zone }}"},
                           "json": {"a": ["x {{ config['zone'] }}"]}, "method": "POST"}),
    ),
    "a value in a header": (
        "airbyte-template",
        resource(endpoint={"headers": {"X-Region": "{{ config['region'] }}"}}),
    ),
    "a placeholder in doubled braces": (
        "airbyte-template",
        resource(endpoint={"path": "users/{{ resources.users.id }}/a"}),
    ),
    "a token as a shell has it": (
        "renamed-value",
        {"client": {**CLIENT, "auth": {"type": "bearer", "token": "${API_TOKEN}"}},
         "resources": [USERS]},
    ),
    "a value in the client's header": (
        "renamed-value",
        {"client": {**CLIENT, "headers": {"X-Org": "o-{{ config['org'] }}"}}, "resources": [USERS]},
    ),
    "keys of the defaults": (
        "misplaced-key",
        {"client": CLIENT, "resource_defaults": {"params": {"x": 1}}, "resources": [USERS]},
    ),
}  # fmt: skip


def as_yaml(config):
    return yaml.safe_dump(config, sort_keys=False)


def as_json(config):
    return json.dumps(config, indent=2)


def as_one_line(config):
    return json.dumps(config)


def as_flow_yaml(config):
    return yaml.safe_dump(config, sort_keys=False, default_flow_style=True, width=50)


def as_python(config):
    shown = pprint.pformat(config, width=70, sort_dicts=False)
    return (
        f"from dlt.sources.rest_api import rest_api_source\nsource = rest_api_source(\n{shown})\n"
    )


def as_script(config):
    """One that is executed: a function makes the configuration."""
    shown = textwrap.indent(pprint.pformat(config, width=50, sort_dicts=False), " " * 8).strip()
    return (
        "import dlt\nfrom dlt.sources.rest_api import rest_api_resources\n\n"
        f"@dlt.source\ndef api():\n    yield from rest_api_resources(\n        {shown}\n    )\n"
    )


def as_fence(config):
    block = textwrap.indent(as_python(config), "  ")
    return f"# A page\n\n- Like this:\n\n  ```python\n{block}  ```\n"


def as_yaml_fence(config):
    block = textwrap.indent(as_yaml(config), "   ")
    return f"# A page\n\n1. This:\n\n   ```yaml\n{block}   ```\n"


WRITTEN = {
    "yaml": (as_yaml, "doc.yaml"),
    "flow": (as_flow_yaml, "doc.yml"),
    "json": (as_json, "doc.json"),
    "one-line": (as_one_line, "doc.json"),
    "python": (as_python, "doc.py"),
    "script": (as_script, "doc.py"),
    "fence": (as_fence, "doc.md"),
    "yaml-fence": (as_yaml_fence, "doc.md"),
}


def fixed(path):
    return fix(str(path), Code())


def sure(source):
    """The plan without a doubt of which page is the first: a document that says it has none."""
    streams = [
        replace(s, pagination=replace(s.pagination, doubt=None))
        if isinstance(s.pagination, Counter)
        else s
        for s in source.streams
    ]
    return replace(source, streams=tuple(streams))


@pytest.mark.parametrize("writing", WRITTEN)
@pytest.mark.parametrize("case", BROKEN)
def test_a_repair_is_written(tmp_path, case, writing):
    """In every way of writing a document: the same plan, and nothing is said any more."""
    code, config = BROKEN[case]
    write, name = WRITTEN[writing]
    path = tmp_path / name
    path.write_text(write(config), "utf-8")
    before = compile_document(load(str(path), Code()))
    assert code in {d.code for d in before.diagnostics}

    found = fixed(path)

    assert [d.code for d in found.compiled.diagnostics] == []
    assert [one.file for one in found.files] == [str(path)]
    assert found.compiled.source == sure(before.need())
    assert code in {d.code for d in found.repaired}
    path.write_text(found.files[0].after, "utf-8")
    assert compile_document(load(str(path), Code())).source == sure(before.need())
    again = fixed(path)
    assert (again.files, again.repaired) == ((), ())


YAML = """\
# The shop.
client:
  base_url: https://api.test   # live
  paginator: {type: cursor, cursor_path: links.next}  # a link
resources:
  - path: users        # all of them
    name: users
    # what is sent
    params:
      # active ones only

      active: true
    method: get
  - name: 'notes'
    data_selector: >-
      items
    endpoint:
      # by user
      "path": "users/{{ stream_partition['user_id'] }}/notes"  # all notes
"""
MENDED = """\
# The shop.
client:
  base_url: https://api.test   # live
  paginator: {type: json_link, next_url_path: links.next}  # a link
resources:
  - endpoint:
      path: users        # all of them
      method: GET
      params:
        # active ones only

        active: true
    name: users
    # what is sent
  - name: 'notes'
    endpoint:
      # by user
      "path": "users/{{ stream_partition['user_id'] }}/notes"  # all notes
      params: {user_id: {type: resolve, resource: users, field: id}}
      data_selector: >-
        items
"""


def test_comments_and_layout_stay(tmp_path):
    """What is not repaired stays as it was written, comments with the entries they stand at."""
    path = tmp_path / "shop.yaml"
    path.write_text(YAML, "utf-8")
    (repaired,) = fixed(path).files
    assert repaired.after == MENDED
    assert repaired.before == YAML


SCRIPT = """\
import dlt
from dlt.sources.rest_api import rest_api_source
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from parts import client

source = rest_api_source({
    "client": client("https://api.test"),
    "resources": [
        {
            "name": "users",
            "path": "users",  # all of them
            "paginator": JSONResponseCursorPaginator(cursor_path="links.next"),
        },
        {"name": "notes", "endpoint": {"path": "notes"}, "data_selector": "x"},
    ],
}, parallelized=True)
"""
PARTS = """\
def client(url):
    return dict(base_url=url, auth={"type": "token", "token": "x"})
"""


def test_a_script_and_the_files_beside_it(tmp_path):
    """A script is repaired where it was written, also in another file and inside a call."""
    path = tmp_path / "pipeline.py"
    path.write_text(SCRIPT, "utf-8")
    (tmp_path / "parts.py").write_text(PARTS, "utf-8")
    found = fixed(path)
    texts = {one.file.rpartition("/")[2]: one.after for one in found.files}
    assert texts["parts.py"] == PARTS.replace('"type": "token"', '"type": "bearer"')
    assert '{"type": "json_link", "next_url_path": "links.next"}' in texts["pipeline.py"]
    assert '"endpoint": {"path": "users", "paginator"' in texts["pipeline.py"]
    assert '"endpoint": {"path": "notes", "data_selector": "x"}},' in texts["pipeline.py"]
    assert not any(one.in_place for one in found.files)


def test_what_stays_unsaid_is_left(tmp_path):
    """A document with an error is repaired as far as it is meant; the error stays said."""
    path = tmp_path / "doc.yaml"
    path.write_text("client: {base_url: 'https://a.test', auth: {type: token}}\nresources: 5\n")
    found = fixed(path)
    assert [d.code for d in found.compiled.diagnostics] == ["wrong-type"]
    assert "type: bearer" in found.files[0].after


def test_values_inside_texts_become_references(tmp_path):
    """A text holds them as an f-string does, also where a path ends."""
    config = resource(
        endpoint={
            "path": "a/{{ config['zone'] }}",
            "headers": {"X": "in {{ config['region'] }} {{ config['zone'] }}"},
        }
    )
    path = tmp_path / "doc.py"
    path.write_text("import dlt\n" + as_python(config))
    found = fixed(path)
    assert "f\"in {dlt.config['region']} {dlt.config['zone']}\"" in found.files[0].after
    assert "f\"a/{dlt.config['zone']}\"" in found.files[0].after
    assert found.compiled.diagnostics == ()
    path = tmp_path / "doc.yaml"
    for shown in (as_yaml, as_json, as_flow_yaml):
        path.write_text(shown(config))
        found = fixed(path)
        assert "in {dlt.config['region']} {dlt.config['zone']}" in found.files[0].after
        assert "a/{dlt.config['zone']}" in found.files[0].after
        assert found.compiled.diagnostics == ()


def test_places_with_anchors_are_written_once(tmp_path):
    """What several resources share through an alias is repaired where it stands."""
    path = tmp_path / "doc.yaml"
    path.write_text(
        "client: {base_url: 'https://a.test'}\n"
        "resources:\n"
        "  - name: a\n    endpoint: {paginator: &p {type: page, page_param: p}}\n"
        "  - name: b\n    paginator: *p\n"
    )
    found = fixed(path)
    assert found.compiled.diagnostics == ()
    assert found.files[0].after.count("base_page: 1") == 1
    assert "    endpoint:\n      paginator: *p\n" in found.files[0].after
