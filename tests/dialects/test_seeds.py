"""Documents as they come: a messaging and a chat configuration inside prose, unmodified."""

from collections import Counter as Count
from pathlib import Path

import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.loading import read_text
from penstock.plan.auth import OAuth2
from penstock.plan.expr import Const
from penstock.plan.pagination import Counter, NextLink

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"

MESSAGING = """# A messaging service

```python
import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source({
    "client": {
        "base_url": "https://api.example.com",
        "auth": {"type": "bearer", "token": dlt.secrets["api_key"]},
    },
    "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
    "resources": [
        {
            "name": "users",
            "endpoint": {
                "path": "/v2/users",
                "data_selector": "users",
                "paginator": {"type": "cursor", "limit": 20, "cursor_path": "links.next_page.href"},
            },
        },
        {
            "name": "conversations",
            "endpoint": {
                "path": "/v2/conversations/{{ stream_partition['conversation_id'] }}",
                "data_selector": "data",
                "paginator": {"type": "cursor", "limit": 20, "cursor_path": "links.next_page.href"},
            },
        },
        {
            "name": "users_conversations",
            "endpoint": {
                "path": "/v2/users/{{ stream_partition['user_id'] }}/conversations",
                "data_selector": "conversations",
                "paginator": {"type": "cursor", "limit": 20, "cursor_path": "links.next_page.href"},
            },
        },
        {
            "name": "conversations_messages",
            "endpoint": {
                "path": "/v2/conversations/{{ stream_partition['conversation_id'] }}/messages",
                "data_selector": "messages",
                "paginator": {"type": "page_number", "limit": 20, "page_param": "page"},
            },
        },
    ],
})
```

And more prose.
"""

CHAT = """Text.

~~~py
source = rest_api_source({
    "client": {
        "base_url": "https://api.example.com",
        "auth": {
            "type": "oauth2",
            "client_id": dlt.secrets["client_id"],
            "client_secret": dlt.secrets["client_secret"],
            "token_url": "https://api.example.com/oauth/token",
        },
    },
    "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
    "resources": [
        {
            "name": "chat_messages",
            "endpoint": {
                "path": "/v1/messages",
                "data_selector": "messages",
                "paginator": {"type": "offset", "limit": 100},
            },
        }
    ],
})
~~~
"""


def test_a_messaging_document_is_read_as_it_is_meant():
    """Every repair is one warning in its place, and the plan is what the document means."""
    found = compile_document(read_text(MESSAGING, file="m.md", suffix=".md"))
    assert Count(d.code for d in found.diagnostics) == {
        "page-size": 4,
        "link-as-cursor": 3,
        "inferred-parent": 3,
        "assumed-first-page": 1,
    }
    place = found.diagnostics[0].place
    line = MESSAGING.splitlines()[place.line - 1]
    assert place.text == line
    assert line[place.column - 1 :].startswith('"limit"')
    parents = {s.name: s.partition and s.partition.stream for s in found.need().streams}
    assert parents == {
        "users": None,
        "conversations": "users_conversations",
        "users_conversations": "users",
        "conversations_messages": "users_conversations",
    }
    assert [i.name for i in found.need().inputs] == ["api_key"]
    assert found.need().inputs[0].secret


def test_a_chat_document_is_read_as_it_is_meant():
    """Auth called oauth2 is client credentials; an offset without a total ends by its pages."""
    found = compile_document(read_text(CHAT, file="c.txt", suffix=".txt"))
    assert [d.code for d in found.diagnostics] == ["renamed-value", "renamed-key"]
    (stream,) = found.need().streams
    assert isinstance(stream.auth, OAuth2)
    assert stream.auth.url == Const(value="https://api.example.com/oauth/token")
    assert isinstance(stream.pagination, Counter)
    assert stream.pagination.stop.short == "proven"
    assert stream.pagination.stop.total.optional
    assert [(i.name, i.secret) for i in found.need().inputs] == [
        ("client_id", True),
        ("client_secret", True),
    ]


def seed(prefix):
    found = sorted(SEEDS.glob(f"{prefix}_*.txt"))
    if not found:
        pytest.skip("the documents are not beside the repository")
    return load(str(found[0]))


def test_the_messaging_seed():
    """The whole messaging document compiles: ten streams, nine links, three inferred parents."""
    found = compile_document(seed("000"))
    streams = found.need().streams
    assert len(streams) == 10
    assert sum(isinstance(s.pagination, NextLink) for s in streams) == 9
    assert Count(d.code for d in found.diagnostics) == {
        "page-size": 10,
        "link-as-cursor": 9,
        "inferred-parent": 3,
        "assumed-first-page": 1,
    }
    assert found.name.startswith("source_000_")


def test_the_chat_seed():
    """The whole chat document compiles, with its two repairs."""
    found = compile_document(seed("001"))
    assert [s.name for s in found.need().streams] == ["chat_messages"]
    assert [d.code for d in found.diagnostics] == ["renamed-value", "renamed-key"]


def test_a_page_about_a_connector(tmp_path):
    """A page without any configuration runs the bundled connector that its title names."""
    page = tmp_path / "page.md"
    page.write_text("\n# Dixa\n\nThis source exports conversations.\n")
    found = compile_document(load(str(page)))
    assert [(d.code, d.place.line) for d in found.diagnostics] == [("connector-page", 2)]
    assert found.need() == compile_document(load("dixa")).need()


def test_the_dixa_seed():
    """The connector's page runs as the bundled connector."""
    found = compile_document(seed("004"))
    assert [d.code for d in found.diagnostics] == ["connector-page"]
    assert [s.name for s in found.need().streams] == ["conversation_export"]


def test_a_document_without_a_source(tmp_path):
    """A document whose blocks build no source is one clear error."""
    page = tmp_path / "page.md"
    page.write_text("# Something else\n\n```python\nprint(1)\n```\n")
    found = compile_document(load(str(page)))
    assert [d.code for d in found.diagnostics] == ["no-source"]
    assert not found.ok
