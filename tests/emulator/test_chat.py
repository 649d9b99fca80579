"""The emulated chat API, asked by plain clients: tokens, offsets, and what is new."""

from __future__ import annotations

import json
import time
from base64 import b64encode

import pytest
from tests.emulator.client import FORM, Plain, post, post_token

from penstock.emulator import EmulatorServer, Settings
from penstock.emulator.chat import Chat
from penstock.emulator.replies import Ask


@pytest.fixture
def server():
    with EmulatorServer("chat", Settings(records=530)) as server:
        yield server


def test_walking_the_offsets_gives_every_message(server):
    """Offset pages up to the first empty one are the truth, in order."""
    found = Plain(server).offsets("/v1/messages", "messages", 100)
    assert found == list(server.truth("chat_messages"))
    assert len(found) == 530


def test_offset_pages_say_no_total_unless_the_settings_say_so(server):
    """The total is left out by default and given with `with_total`."""
    assert set(Plain(server).get("/v1/messages", offset=0, limit=2)) == {"messages"}
    with EmulatorServer("chat", Settings(records=9, with_total=True)) as other:
        assert Plain(other).get("/v1/messages", offset=0, limit=2)["total"] == 9


def test_numbered_pages_say_their_total(server):
    """The page form claims a total and a number of pages that hold."""
    client = Plain(server)
    first = client.get("/v1/messages", page=1, limit=100)
    assert (first["total"], first["total_pages"], first["page"]) == (530, 6, 1)
    found = client.numbered("/v1/messages", "messages", 100)
    assert found == list(server.truth("chat_messages"))


def test_events_follow_a_cursor_or_a_link_to_the_same_end(server):
    """Both ways through the events give the truth, and the last page says so."""
    client = Plain(server)
    cursors, page = [], client.get("/v1/events", limit=100)
    cursors += page["events"]
    while page["has_more"]:
        page = client.get("/v1/events", limit=100, cursor=page["next_cursor"])
        cursors += page["events"]
    assert page["next_cursor"] is None
    links, page = [], client.get("/v1/events", limit=100)
    links += page["events"]
    while link := page["links"].get("next"):
        page = client.get(link)
        links += page["events"]
    assert cursors == links == list(server.truth("events"))


def test_every_message_belongs_to_one_conversation(server):
    """Walking the conversations gives each message once, before and after an advance."""
    client = Plain(server)
    for _ in range(2):
        parents = client.offsets("/v1/conversations", "conversations", 10)
        assert parents == list(server.truth("conversations"))
        paths = [f"/v1/conversations/{parent['id']}/messages" for parent in parents]
        found = [m for path in paths for m in client.offsets(path, "messages", 15)]
        assert found == list(server.truth("conversation_messages"))
        assert {m["id"] for m in found} == {m["id"] for m in server.truth("chat_messages")}
        server.advance(30)


def test_pages_are_capped_silently():
    """A thousand is the most a page gives, or the cap of the settings."""
    with EmulatorServer("chat", Settings(records=1500)) as server:
        assert len(Plain(server).get("/v1/messages", limit=5000)["messages"]) == 1000
    with EmulatorServer("chat", Settings(records=1500, page_cap=30)) as server:
        assert len(Plain(server).get("/v1/messages", limit=5000)["messages"]) == 30


def test_messages_are_as_varied_as_a_real_chat(server):
    """Missing keys, nulls, emoji, several languages, nested lists of 0 to 3: all occur."""
    messages = list(server.truth("chat_messages"))
    missing = sum("rating" not in message for message in messages)
    assert 0.04 < missing / len(messages) < 0.18
    assert len({message["language"] for message in messages}) >= 10
    assert {len(message["parts"]) for message in messages} == {1, 2}
    assert {len(message["tags"]) for message in messages} == {0, 1, 2, 3}
    assert {len(message["attachments"]) for message in messages} == {0, 1}
    assert any(message["reply_to"] is None for message in messages)
    assert any(ord(max(message["content"])) > 0xFFFF for message in messages)
    average = sum(map(len, server.api.truth("chat_messages"))) / len(messages)
    assert 600 < average < 800


@pytest.mark.parametrize("basic", [False, True])
def test_a_token_is_given_for_the_right_client(server, basic):
    """Form and Basic credentials both get a bearer token with its lifetime."""
    status, _, body = post_token(server.url, basic=basic)
    answer = json.loads(body)
    assert status == 200
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert Plain(server, answer["access_token"]).get("/v1/messages", limit=1)


@pytest.mark.parametrize("basic", [False, True])
def test_a_wrong_secret_gets_no_token(server, basic):
    """A wrong secret is answered 401 invalid_client, and nothing more."""
    status, _, body = post_token(server.url, secret="guess", basic=basic)
    assert (status, json.loads(body)) == (401, {"error": "invalid_client"})


def test_unreadable_basic_credentials_and_other_grants_are_refused(server):
    """Basic credentials that are not base64 get 401, another grant type 400."""
    headers = {"Content-Type": FORM, "Authorization": "Basic ***"}
    assert post(server.url, "/oauth/token", "grant_type=client_credentials", **headers)[0] == 401
    junk = {"Content-Type": FORM, "Authorization": f"Basic {b64encode(b'no colon').decode()}"}
    assert post(server.url, "/oauth/token", "grant_type=client_credentials", **junk)[0] == 401
    assert (
        post(server.url, "/oauth/token", "grant_type=password", **{"Content-Type": FORM})[0] == 400
    )


def test_no_message_is_given_without_a_token(server):
    """A made-up token gets 401 with a challenge."""
    status, headers, body = Plain(server, "made-up").raw("/v1/messages")
    assert status == 401
    assert "invalid_token" in headers["WWW-Authenticate"]
    assert json.loads(body)["error"] == "invalid_token"


def test_a_token_expires():
    """A token is good up to its lifetime and no longer, by the injected clock."""
    now = [100.0]
    chat = Chat(Settings(records=5, token_ttl_s=30), clock=lambda: now[0])
    form = {"grant_type": "client_credentials", "client_id": "demo-client"}
    form["client_secret"] = "demo-secret"
    given = chat.respond(ask("POST", "/oauth/token", form=form))
    token = json.loads(given.body)["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    now[0] += 29.9
    assert chat.respond(ask("GET", "/v1/messages", headers=headers)).status == 200
    now[0] += 0.2
    assert chat.respond(ask("GET", "/v1/messages", headers=headers)).status == 401


def ask(method, path, *, headers=None, form=None):
    return Ask(
        method=method,
        path=path,
        origin="http://x",
        query={},
        headers=headers or {},
        form=form or {},
    )


def test_an_advance_brings_new_late_boundary_and_changed_messages(server):
    """After an advance a filter by time finds what moved; a late row lies behind the newest."""
    client = Plain(server)
    before = {message["id"]: message for message in server.truth("chat_messages")}
    newest = max(message["timestamp"] for message in before.values())
    step = server.advance(10)
    after = list(server.truth("chat_messages"))
    new = [message for message in after if message["id"] not in before]
    assert (step.added, step.late, step.changed) == (10, 2, 2)
    assert len(new) == 10
    assert sum(message["timestamp"] == newest for message in new) == 2
    assert sum(message["timestamp"] < newest for message in new) == step.late
    by_time = client.offsets("/v1/messages", "messages", 4, since=newest)
    assert [m for m in after if m["timestamp"] >= newest] == by_time
    by_change = client.offsets("/v1/messages", "messages", 4, updated_since=newest)
    assert [m for m in after if m["updated_at"] >= newest] == by_change
    changed = [m for m in after if m["id"] in before and before[m["id"]] != m]
    assert len(changed) == 2
    assert all(m in by_change and m["revision"] == 1 for m in changed)


def test_since_and_until_are_inclusive(server):
    """A window whose bounds are moments of messages holds those messages."""
    messages = list(server.truth("chat_messages"))
    low, high = messages[40]["timestamp"], messages[90]["timestamp"]
    found = Plain(server).offsets("/v1/messages", "messages", 7, since=low, until=high)
    assert found == [m for m in messages if low <= m["timestamp"] <= high]
    assert {messages[40]["id"], messages[90]["id"]} <= {m["id"] for m in found}


def test_a_million_messages_are_served_without_being_held():
    """The last of a million records is one request away, at once."""
    began = time.process_time()
    with EmulatorServer("chat", Settings(records=1_000_000)) as server:
        started = time.process_time() - began
        page = Plain(server).get("/v1/messages", offset=999_998, limit=100)
    assert started < 0.2
    assert len(page["messages"]) == 2
