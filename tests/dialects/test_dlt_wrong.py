"""Documents that are wrong, and everything that is said about each."""

# ruff: noqa: E501 (a message is compared as it is said)

import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.dialects.loading import read_text

HEAD = "client: {base_url: https://api.test}\n"

CASES = {
    "unknown top key": (
        HEAD + "resource: []\n" + "resources: [a]\n",
        [
            "d.yaml:2:1: error[unknown-key]: the configuration has no key 'resource' (did you mean 'resources'?)",
        ],
    ),
    "unknown client key": (
        "client: {base_url: u, aut: x}\n" + "resources: [a]\n",
        [
            "d.yaml:1:23: error[unknown-key]: client has no key 'aut' (did you mean 'auth'?)",
        ],
    ),
    "no client": (
        "resources: [a]\n",
        [
            "d.yaml:1:1: error[missing-key]: the configuration needs 'client'",
        ],
    ),
    "no resources": (
        HEAD,
        [
            "d.yaml:1:1: error[missing-key]: the configuration needs 'resources'",
        ],
    ),
    "no base url": (
        "client: {}\n" + "resources: [a]\n",
        [
            "d.yaml:1:9: error[missing-key]: client needs 'base_url'",
        ],
    ),
    "wrong types": (
        "client: []\n" + "resources: {}\n",
        [
            "d.yaml:1:9: error[wrong-type]: client must be a mapping, not a list",
            'd.yaml:2:12: error[wrong-type]: resources must be a list, not a mapping (write a name or a mapping for each, as [{"name": "users"}])',
        ],
    ),
    "resources empty": (
        HEAD + "resources: []\n",
        [
            "d.yaml:1:1: error[no-streams]: there are no streams",
        ],
    ),
    "no name": (
        HEAD + "resources:\n" + "  - endpoint: a\n",
        [
            "d.yaml:3:5: error[missing-key]: a resource needs 'name'",
        ],
    ),
    "twice": (
        HEAD + "resources: [a, a]\n",
        [
            "d.yaml:2:16: error[duplicate-name]: there are two resources called 'a' (give each its own name)",
        ],
    ),
    "number for a resource": (
        HEAD + "resources: [1]\n",
        [
            "d.yaml:2:13: error[wrong-type]: resources[0] must be a name or a mapping, not a number",
        ],
    ),
    "unknown resource key": (
        HEAD + "resources:\n" + "  - {name: a, primarykey: id}\n",
        [
            "d.yaml:3:15: error[unknown-key]: a resource has no key 'primarykey' (did you mean 'primary_key'?)",
        ],
    ),
    "unknown endpoint key": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {path: a, param: {x: 1}}\n",
        [
            "d.yaml:4:25: error[unknown-key]: an endpoint has no key 'param' (did you mean 'params'?)",
        ],
    ),
    "unknown paginator": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {paginator: curser}\n",
        [
            "d.yaml:4:27: error[unknown-value]: there is no paginator 'curser' (did you mean 'cursor'?)",
        ],
    ),
    "unknown paginator type": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {paginator: {type: xyz, a: 1}}\n",
        [
            "d.yaml:4:34: error[unknown-value]: there is no paginator 'xyz' (there are: auto, cursor, header_cursor, header_link, json_link, json_response, offset, page_number, single_page)",
        ],
    ),
    "unknown paginator key": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {paginator: {type: cursor, cursr_path: next}}\n",
        [
            "d.yaml:4:42: error[unknown-key]: a cursor paginator has no key 'cursr_path' (did you mean 'cursor_path'?)",
        ],
    ),
    "offset without limit": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {paginator: {type: offset}}\n",
        [
            'd.yaml:4:27: error[missing-key]: an offset paginator needs \'limit\' (write "type": "offset", "limit": 100)',
        ],
    ),
    "offset as a word": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {paginator: offset}\n",
        [
            'd.yaml:4:27: error[missing-key]: an offset paginator needs \'limit\' (write "type": "offset", "limit": 100)',
        ],
    ),
    "no end": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {paginator: {type: page_number, total_path: null, stop_after_empty_page: false}}\n",
        [
            "d.yaml:4:27: error[no-end]: nothing ends this pagination (give one of: maximum_page, total_path, has_more_path, stop_after_empty_page)",
        ],
    ),
    "param and body path": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {paginator: {type: page_number, page_param: p, page_body_path: q, total_path: t}}\n",
        [
            "d.yaml:4:62: error[conflict]: page_param and page_body_path exclude each other (keep one of them)",
        ],
    ),
    "limit no number": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {paginator: {type: offset, limit: many}}\n",
        [
            "d.yaml:4:49: error[wrong-type]: resources[0].endpoint.paginator.limit must be a whole number, not a text",
        ],
    ),
    "unknown auth": (
        "client: {base_url: u, auth: {type: digest, a: 1}}\n" + "resources: [a]\n",
        [
            "d.yaml:1:36: error[unknown-value]: there is no auth 'digest' (there are: api_key, bearer, http_basic, oauth2_client_credentials)",
        ],
    ),
    "unknown auth key": (
        "client: {base_url: u, auth: {type: bearer, token: x, realm: 1}}\n" + "resources: [a]\n",
        [
            "d.yaml:1:54: error[unknown-key]: bearer auth has no key 'realm' (there are: token, type)",
        ],
    ),
    "oauth without url": (
        (
            "client: {base_url: u, auth: {type: oauth2_client_credentials, client_id: a, client_secret: b}}\n"
            "resources: [a]\n"
        ),
        [
            "d.yaml:1:29: error[missing-key]: oauth2_client_credentials auth needs 'access_token_url'",
        ],
    ),
    "unknown parent": (
        HEAD
        + "resources:\n"
        + "  - users\n"
        + "  - {name: b, endpoint: '{resources.user.id}/b'}\n",
        [
            "d.yaml:4:25: error[unknown-parent]: there is no resource 'user' (did you mean 'users'?)",
        ],
    ),
    "unknown resolve parent": (
        HEAD
        + "resources:\n"
        + "  - users\n"
        + "  - name: b\n"
        + "    endpoint:\n"
        + "      path: x/{i}\n"
        + "      params: {i: {type: resolve, resource: user, field: id}}\n",
        [
            "d.yaml:7:45: error[unknown-parent]: there is no resource 'user' (did you mean 'users'?)",
        ],
    ),
    "cycle": (
        HEAD
        + "resources:\n"
        + "  - {name: a, endpoint: 'x/{resources.b.id}/y'}\n"
        + "  - {name: b, endpoint: 'x/{resources.a.id}/y'}\n",
        [
            "d.yaml:3:12: error[parent-cycle]: these streams are each other's parents: a → b → a",
        ],
    ),
    "fields of two parents": (
        HEAD
        + "resources:\n"
        + "  - a\n"
        + "  - b\n"
        + "  - name: c\n"
        + "    endpoint: 'x/{resources.a.id}/{resources.b.id}/y'\n"
        + "    include_from_parent: [id]\n",
        [
            "d.yaml:7:5: error[several-parents]: include_from_parent needs one parent, and this resource has: a, b (carry the field of one through the other with its own include_from_parent)",
        ],
    ),
    "a list without values": (
        HEAD
        + "resources:\n"
        + "  - {name: a, endpoint: {params: {q: {type: list}}}}\n"
        + "  - {name: b, endpoint: {params: {q: {type: list, values: x}}}}\n",
        [
            "d.yaml:3:38: error[missing-key]: a list param needs 'values'",
            "d.yaml:4:59: error[wrong-type]: resources[1].endpoint.params.q.values must be a list, not a text",
        ],
    ),
    "keys of other tools": (
        (
            "client: {base_url: x, auth: {type: oauth2_client_credentials, refresh_token: r, access_token_url: u}}\n"
            "resources:\n"
            "  - {name: a, endpoint: {error_handler: {}}}\n"
            "  - {name: b, endpoint: {paginator: {type: cursor, cursor_value: c, stop_condition: s}}}\n"
        ),
        [
            'd.yaml:1:63: error[unknown-key]: oauth2_client_credentials auth has no key \'refresh_token\' (write it into access_token_request_data: {"grant_type": "refresh_token", "refresh_token": dlt.secrets["refresh_token"]})',
            "d.yaml:3:26: error[unknown-key]: an endpoint has no key 'error_handler' (which answers are errors is said by response_actions of the endpoint, and which are asked for again by retry of the client)",
            'd.yaml:4:52: error[unknown-key]: a cursor paginator has no key \'cursor_value\' (write cursor_path, or for a link "type": "json_link" and next_url_path)',
            "d.yaml:4:69: error[unknown-key]: a cursor paginator has no key 'stop_condition' (leave it out: the pages end where an answer names no next one)",
        ],
    ),
    "an unknown decoder": (
        HEAD
        + "resources:\n"
        + "  - {name: a, endpoint: {decoder: cvs}}\n"
        + "  - {name: b, endpoint: {decoder: {type: csv, delimeter: ;}}}\n",
        [
            "d.yaml:3:35: error[unknown-value]: resources[0].endpoint.decoder cannot be 'cvs' (did you mean 'csv'?)",
            "d.yaml:4:47: error[unknown-key]: a decoder has no key 'delimeter' (did you mean 'delimiter'?)",
        ],
    ),
    "unbound": (
        HEAD + "resources:\n" + "  - {name: a, endpoint: 'x/{id}/y'}\n",
        [
            'd.yaml:3:25: error[unbound-placeholder]: the path needs a value for {id}, and params has none (write {resources.<resource>.<field>}, or add to params: "id": {"type": "resolve", "resource": "<resource>", "field": "<field>"}, or a value of your own: "id": dlt.config["id"])',
        ],
    ),
    "unbound dotted": (
        HEAD + "resources:\n" + "  - {name: a, endpoint: 'x/{resource.a.id}/y'}\n",
        [
            "d.yaml:3:25: error[unbound-placeholder]: {resource.a.id} stands for nothing here (valid are {resources.<resource>.<field>} and {incremental.<value>}; write {{ and }} for braces)",
        ],
    ),
    "a null in a path": (
        HEAD + "resources:\n" + "  - {name: a, endpoint: {path: 'x/{id}/y', params: {id: null}}}\n",
        [
            "d.yaml:3:57: error[wrong-type]: resources[0].endpoint.params.id must be a value, as it stands in the path, not null",
        ],
    ),
    "a placeholder in a name": (
        HEAD
        + "resources:\n  - {name: p}\n"
        + "  - {name: a, endpoint: {params: {'q{resources.p.id}': 1}}}\n",
        [
            "d.yaml:4:35: error[unsupported]: a placeholder in the name 'q{resources.p.id}' is not supported: it would differ by request (write one for each name, or the value alone as a placeholder)",
        ],
    ),
    "unbound in params": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {params: {q: '{x}'}}\n",
        [
            "d.yaml:4:28: error[unbound-placeholder]: {x} stands for nothing here (valid are {resources.<resource>.<field>} and {incremental.<value>}; write {{ and }} for braces)",
        ],
    ),
    "no incremental": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {params: {q: '{incremental.start_value}'}}\n",
        [
            'd.yaml:4:28: error[unbound-placeholder]: {incremental.start_value} needs an incremental, and this endpoint has none (add "incremental")',
        ],
    ),
    "unknown cursor value": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {params: {q: '{incremental.start}'}, incremental: {cursor_path: t}}\n",
        [
            "d.yaml:4:28: error[unbound-placeholder]: {incremental.start} is not known (there are: incremental.start_value, incremental.end_value, incremental.initial_value, incremental.last_value)",
        ],
    ),
    "unused resolve": (
        HEAD
        + "resources:\n"
        + "  - u\n"
        + "  - name: a\n"
        + "    endpoint: {params: {q: {type: resolve, resource: u, field: id}}}\n",
        [
            'd.yaml:5:28: error[unused-resolve]: the param \'q\' is bound to a parent, and the path does not use it (write "q": "{resources.u.id}")',
        ],
    ),
    "unknown param type": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {params: {q: {type: magic}}}\n",
        [
            'd.yaml:4:35: error[unknown-value]: the param \'q\' cannot be a mapping (known are {"type": "resolve"}, {"type": "incremental"} and {"type": "list"})',
        ],
    ),
    "two incrementals": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {params: {q: {type: incremental, cursor_path: t}, r: {type: incremental, cursor_path: t}}}\n",
        [
            "d.yaml:4:65: error[conflict]: an endpoint has one incremental; there are: q, r (keep one of them)",
        ],
    ),
    "end value in param": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {params: {q: {type: incremental, cursor_path: t, end_value: 3, initial_value: 1}}}\n",
        [
            'd.yaml:4:64: error[conflict]: an incremental param has no end_value (move it into "incremental" of the endpoint)',
        ],
    ),
    "no cursor path": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {incremental: {start_param: q}}\n",
        [
            "d.yaml:4:29: error[missing-key]: incremental needs 'cursor_path'",
        ],
    ),
    "end without start": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {incremental: {cursor_path: t, end_value: 3}}\n",
        [
            "d.yaml:4:29: error[missing-key]: an incremental with end_value needs 'initial_value'",
        ],
    ),
    "bad step": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {incremental: {cursor_path: t, step: {day: 3}}}\n",
        [
            "d.yaml:4:53: error[unknown-key]: step has no key 'day' (did you mean 'days'?)",
        ],
    ),
    "bad step text": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {incremental: {cursor_path: t, step: 3 days}}\n",
        [
            "d.yaml:4:52: error[wrong-type]: '3 days' is not a duration (write it as P1D, PT1H, P1M …)",
        ],
    ),
    "bad selector": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {data_selector: 'a[?'}\n",
        [
            "d.yaml:4:31: error[bad-jsonpath]: 'a[?' is not a JSONPath: Parse error near the end of string!",
        ],
    ),
    "bad cursor path": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {paginator: {type: json_link, next_url_path: 'a['}}\n",
        [
            "d.yaml:4:60: error[bad-jsonpath]: 'a[' is not a JSONPath: Parse error near the end of string!",
        ],
    ),
    "bad template": (
        HEAD + "resources:\n" + "  - {name: a, endpoint: 'x/{id'}\n",
        [
            "d.yaml:3:25: error[bad-template]: the template cannot be read: expected '}' before end of string (write {{ and }} for braces)",
        ],
    ),
    "foreign template": (
        HEAD
        + "resources:\n"
        + "  - {name: a, endpoint: \"x/{{ stream_interval['start_time'] }}\"}\n",
        [
            "d.yaml:3:25: error[airbyte-template]: an Airbyte template with 'stream_interval' has no meaning in a dlt configuration (write {incremental.start_value} or {incremental.end_value})",
        ],
    ),
    "foreign template of a parent": (
        HEAD
        + "resources:\n"
        + "  - {name: a, endpoint: \"x/{{ stream_partition['user_id'] | string }}\"}\n",
        [
            "d.yaml:3:25: error[airbyte-template]: an Airbyte template with 'stream_partition' has no meaning in a dlt configuration (write {resources.<resource>.<field>})",
        ],
    ),
    "json and data": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {method: POST, json: {a: 1}, data: {b: 2}}\n",
        [
            "d.yaml:4:44: error[conflict]: json and data exclude each other (keep one of them)",
        ],
    ),
    "include without parent": (
        HEAD + "resources:\n" + "  - {name: a, include_from_parent: [id]}\n",
        [
            'd.yaml:3:15: error[unknown-parent]: include_from_parent needs a parent, and this resource has none (write "{resources.<resource>.<field>}" in the path)',
        ],
    ),
    "disposition": (
        HEAD + "resources:\n" + "  - {name: a, write_disposition: upsert}\n",
        [
            "d.yaml:3:34: error[unknown-value]: resources[0].write_disposition cannot be 'upsert' (there are: append, merge, replace)",
        ],
    ),
    "strategy": (
        HEAD
        + "resources:\n"
        + "  - {name: a, primary_key: id, write_disposition: {disposition: merge, strategy: upserts}}\n",
        [
            "d.yaml:3:82: error[unknown-value]: resources[0].write_disposition.strategy cannot be 'upserts' (did you mean 'upsert'?)",
        ],
    ),
    "column type": (
        HEAD + "resources:\n" + "  - {name: a, columns: {x: {data_type: string}}}\n",
        [
            "d.yaml:3:40: error[unknown-value]: resources[0].columns.x.data_type cannot be 'string' (there are: bigint, binary, bool, complex, date, decimal, double, json, text, time, timestamp, wei)",
        ],
    ),
    "column key": (
        HEAD
        + "resources:\n"
        + "  - {name: a, columns: [{name: x, datatype: text}, {data_type: text}]}\n",
        [
            "d.yaml:3:35: error[unknown-key]: the column 'x' has no key 'datatype' (did you mean 'data_type'?)",
            "d.yaml:3:52: error[missing-key]: a column needs 'name'",
        ],
    ),
    "contract": (
        HEAD + "resources:\n" + "  - {name: a, schema_contract: {columns: frozen}}\n",
        [
            "d.yaml:3:42: error[unknown-value]: resources[0].schema_contract.columns cannot be 'frozen' (did you mean 'freeze'?)",
        ],
    ),
    "action": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {response_actions: [{status_code: 404, action: skip}]}\n",
        [
            "d.yaml:4:62: error[unknown-value]: resources[0].endpoint.response_actions[0].action cannot be 'skip' (there are: fail, ignore, retry)",
        ],
    ),
    "method": (
        HEAD + "resources:\n" + "  - name: a\n" + "    endpoint: {method: FETCH}\n",
        [
            "d.yaml:4:24: error[unknown-value]: resources[0].endpoint.method cannot be 'FETCH' (did you mean 'PATCH'?)",
        ],
    ),
    "convert": (
        HEAD
        + "resources:\n"
        + "  - name: a\n"
        + "    endpoint: {incremental: {cursor_path: t, convert: int}}\n",
        [
            'd.yaml:4:46: error[unsupported]: convert is a Python function, and values of the cursor are spelled by format (write "format": "%s", "%ms" or a strftime pattern)',
        ],
    ),
    "steps": (
        HEAD + "resources:\n" + "  - {name: a, processing_steps: [{filter: 'x > 1'}]}\n",
        [
            "d.yaml:3:43: error[wrong-type]: resources[0].processing_steps[0].filter must be a Python function, not a text",
        ],
    ),
    "uninferrable": (
        HEAD
        + "resources:\n"
        + "  - a\n"
        + "  - {name: b, endpoint: \"x/{{ stream_partition['owner_id'] }}/y\"}\n",
        [
            'd.yaml:4:25: error[unknown-parent]: \'owner_id\' has no parent, and no stream lists what it stands for; streams that list something: a (add "params": {"owner_id": {"type": "resolve", "resource": "<resource>", "field": "<field>"}})',
        ],
    ),
    "ambiguous": (
        HEAD
        + "resources:\n"
        + "  - {name: a, endpoint: one/users}\n"
        + "  - {name: b, endpoint: two/users}\n"
        + "  - {name: c, endpoint: \"x/{{ stream_partition['user_id'] }}/y\"}\n",
        [
            'd.yaml:5:25: error[ambiguous-parent]: \'user_id\' could come from several parents: a.id, b.id (add "params": {"user_id": {"type": "resolve", "resource": "a", "field": "id"}})',
        ],
    ),
    "inference in a circle": (
        HEAD
        + "resources:\n"
        + "  - {name: users, endpoint: \"teams/{{ stream_partition['team_id'] }}/users\"}\n"
        + "  - {name: teams, endpoint: \"users/{{ stream_partition['user_id'] }}/teams\"}\n",
        [
            'd.yaml:3:29: warning[inferred-parent]: \'team_id\' has no parent; it is taken from teams.id (add "params": {"team_id": {"type": "resolve", "resource": "teams", "field": "id"}})',
            'd.yaml:4:29: error[unknown-parent]: \'user_id\' has no parent, and no stream lists what it stands for; streams that list something: users (add "params": {"user_id": {"type": "resolve", "resource": "<resource>", "field": "<field>"}})',
        ],
    ),
    "conflict of places": (
        HEAD + "resources:\n" + "  - {name: a, path: x, endpoint: {path: y}}\n",
        [
            "d.yaml:3:15: error[conflict]: 'path' stands here and in the endpoint",
        ],
    ),
    "session": (
        "client: {base_url: u, session: x}\n" + "resources: [a]\n",
        [
            "d.yaml:1:23: error[unsupported]: a session of requests is not used (use timeout, retry, concurrency and rate_limit of the client)",
        ],
    ),
    "rate limit": (
        "client: {base_url: u, rate_limit: {calls: 0, seconds: 1}}\n" + "resources: [a]\n",
        [
            "d.yaml:1:35: error[wrong-type]: rate_limit needs calls and seconds above 0",
        ],
    ),
    "several at once": (
        (
            "client: {base_url: u, auth: digest}\n"
            "resources:\n"
            "  - {name: a, primarykey: id}\n"
            "  - {name: b, endpoint: 'x/{id}/y'}\n"
        ),
        [
            "d.yaml:1:29: error[unknown-value]: there is no auth 'digest' (there are: api_key, bearer, http_basic, oauth2_client_credentials)",
            "d.yaml:3:15: error[unknown-key]: a resource has no key 'primarykey' (did you mean 'primary_key'?)",
            'd.yaml:4:25: error[unbound-placeholder]: the path needs a value for {id}, and params has none (write {resources.<resource>.<field>}, or add to params: "id": {"type": "resolve", "resource": "<resource>", "field": "<field>"}, or a value of your own: "id": dlt.config["id"])',
        ],
    ),
    "yaml": (
        "client: [\n",
        [
            "d.yaml:2:1: error[yaml-syntax]: this is not YAML: did not find expected node content",
        ],
    ),
    "yaml tag": (
        "client: !!python/object:os.system {}\n" + "resources: [a]\n",
        [
            "d.yaml:1:9: error[yaml-tag]: the tag 'python/object:os.system' stands for no plain value (write the value itself)",
        ],
    ),
    "neither": (
        "a: 1\n",
        [
            'd.yaml:1:1: error[no-dialect]: this is neither a dlt rest_api configuration nor an Airbyte manifest (a dlt configuration has "client" and "resources", a manifest "type: DeclarativeSource")',
        ],
    ),
    "a list": (
        "[1]\n",
        [
            'd.yaml:1:1: error[no-dialect]: this is neither a dlt rest_api configuration nor an Airbyte manifest (a dlt configuration has "client" and "resources", a manifest "type: DeclarativeSource")',
        ],
    ),
}


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES.keys())
def test_everything_wrong_is_said_at_once(text, said):
    """Each problem has its code, its place and what to do about it, and there is no plan."""
    compiled = compile_document(read_text(text, file="d.yaml", suffix=".yaml"))
    assert [str(d) for d in compiled.diagnostics] == said
    assert compiled.source is None


def test_a_misspelled_name_is_recognised():
    """A resource without a name may have one under another word."""
    text = HEAD + "resources:\n  - {nme: a, endpoint: b}\n"
    [said] = compile_document(read_text(text, file="d.yaml", suffix=".yaml")).diagnostics
    assert (said.code, said.hint) == ("missing-key", "'nme' is no key; did you mean 'name'?")


def test_bytes_that_are_no_text_are_not_sent_as_another():
    """What is no UTF-8 has no spelling in a request; it used to be sent with U+FFFD in it."""
    ends = {"headers": {"X": b"caf\xe9"}, "params": {"q": b"caf\xc3\xa9"}}
    config = {"client": {"base_url": "u"}, "resources": [{"name": "a", "endpoint": ends}]}
    [said] = compile_document(Document.from_object(config, "d")).diagnostics
    where = "resources[0].endpoint.headers.X"
    assert said.message == f"{where} must be a plain value, not a Python object"
