"""The emulated messaging API, asked by plain clients: pages, links, and nested lists."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from tests.emulator.client import Plain

from penstock.emulator import EmulatorServer, Settings


@pytest.fixture
def server():
    with EmulatorServer("messaging", Settings(records=700)) as server:
        yield server


LISTS = {
    "roles": ("/v2/roles", "roles"),
    "users": ("/v2/users", "users"),
    "agents": ("/v2/agents", "agents"),
    "groups": ("/v2/groups", "groups"),
    "channels": ("/v2/channels", "channels"),
    "conversations_properties": ("/v2/conversations/fields", "data"),
}


@pytest.mark.parametrize("stream", LISTS)
@pytest.mark.parametrize("limit", [3, 20])
def test_walking_the_links_of_a_list_gives_its_truth(server, stream, limit):
    """Following next_page to its end gives each record once, in order."""
    path, key = LISTS[stream]
    assert Plain(server).linked(path, key, limit=limit) == list(server.truth(stream))


def test_a_list_has_a_default_page_of_twenty(server):
    """Without a limit a page holds 20 records."""
    assert len(Plain(server).get("/v2/agents")["agents"]) == 20


def test_the_account_is_an_object_without_an_id(server):
    """The configuration is one object under data, named by account_id."""
    account = Plain(server).get("/v2/accounts/configuration")["data"]
    assert [account] == list(server.truth("account"))
    assert {"account_id", "app_id", "plan_type"} <= set(account)
    assert "id" not in account


def walk_listings(client):
    users = client.linked("/v2/users", "users", limit=50)
    for user in users:
        path = f"/v2/users/{user['id']}/conversations"
        for listing in client.linked(path, "conversations", limit=2):
            assert "user_id" not in listing
            yield {**listing, "user_id": user["id"]}


@pytest.mark.parametrize("advances", [0, 2])
def test_walking_users_then_conversations_then_messages_gives_their_truth(server, advances):
    """Each child stream, walked from its parents, is exactly what truth lists."""
    for _ in range(advances):
        server.advance(60)
    client = Plain(server)
    listings = list(walk_listings(client))
    assert listings == list(server.truth("users_conversations"))
    idents = {listing["id"] for listing in listings}
    details = [client.get(f"/v2/conversations/{ident}")["data"] for ident in idents]
    expected = list(server.truth("conversations"))
    assert sorted(details, key=str) == sorted(expected, key=str)
    assert all("id" not in record for record in details)
    messages = [
        {**message, "conversation_id": ident}
        for ident in idents
        for message in client.numbered(f"/v2/conversations/{ident}/messages", "messages", 10)
    ]
    expected = list(server.truth("conversations_messages"))
    assert sorted(messages, key=str) == sorted(expected, key=str)


def test_messages_say_neither_their_conversation_nor_a_total(server):
    """A page of messages is its records and nothing else."""
    ident = next(server.truth("conversations"))["conversation_id"]
    page = Plain(server).get(f"/v2/conversations/{ident}/messages", page=1, limit=5)
    assert set(page) == {"messages"}
    assert "conversation_id" not in page["messages"][0]


def test_some_conversations_are_listed_by_several_users(server):
    """A shared conversation names every user that lists it."""
    listed = Counter(record["id"] for record in server.truth("users_conversations"))
    users = {r["conversation_id"]: len(r["users"]) for r in server.truth("conversations")}
    assert listed == users
    assert {1, 2, 3} == set(listed.values())


@pytest.mark.parametrize("records", [0, 1, 40, 149, 1000, 12_345])
def test_the_number_of_messages_is_exactly_the_number_of_records(records):
    """Conversations divide the messages among them without loss or overlap."""
    server = EmulatorServer("messaging", Settings(records=records))
    idents = [record["id"] for record in server.truth("conversations_messages")]
    assert len(idents) == len(set(idents)) == records
    assert sum(1 for _ in server.truth("users")) == max(3, records // 50)


def test_links_are_relative_here_and_absolute_there(server):
    """Users link relatively, agents absolutely; the last page has a null or no next link."""
    client = Plain(server)
    users = client.get("/v2/users", limit=5)["links"]["next_page"]
    assert users["href"] == "/v2/users?page=2&items_per_page=5"
    agents = client.get("/v2/agents", limit=5)["links"]["next_page"]
    assert agents["href"] == f"{server.url}/v2/agents?page=2&items_per_page=5"
    assert client.get("/v2/groups")["links"] == {"next_page": None}
    assert client.get("/v2/roles")["links"] == {}


def test_the_page_cap_holds_whatever_is_asked():
    """A server with a cap gives smaller pages and still every record."""
    with EmulatorServer("messaging", Settings(records=2000, page_cap=7)) as server:
        client = Plain(server)
        assert len(client.get("/v2/users", limit=50)["users"]) == 7
        assert client.linked("/v2/users", "users", limit=50) == list(server.truth("users"))


@pytest.mark.parametrize("key", ["wrong", "", "demo-key2"])
def test_a_wrong_key_is_refused(server, key):
    """Anything but the expected key gets 401 and a JSON error."""
    status, _, body = Plain(server, "x").raw("/v2/users", Authorization=f"Bearer {key}")
    assert status == 401
    assert json.loads(body)["error"] == "unauthenticated"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/users?page=0", 400),
        ("/v2/users?limit=many", 400),
        ("/v2/users?updated_from=yesterday", 400),
        ("/v2/conversations/none", 404),
        ("/v2/users/b28e9ceb-2698-4910-a591-00000000000z/conversations", 404),
        ("/v2/nothing", 404),
    ],
)
def test_a_bad_request_gets_a_json_error(server, path, status):
    """Requests that make no sense get 400 or 404 and a message."""
    got, _, body = Plain(server).raw(path)
    assert got == status
    assert json.loads(body)["message"]


def test_messages_can_be_asked_for_from_a_time_on(server):
    """from_time is inclusive and pages as the whole list does."""
    ident = next(server.truth("conversations"))["conversation_id"]
    path = f"/v2/conversations/{ident}/messages"
    client = Plain(server)
    every = client.numbered(path, "messages", 4)
    low = every[len(every) // 2]["created_time"]
    expected = [m for m in every if m["created_time"] >= low]
    found, number = [], 1
    while page := client.get(path, page=number, limit=3, from_time=low)["messages"]:
        found, number = found + page, number + 1
    assert found == expected != every


def test_an_advance_can_be_found_by_time(server):
    """After an advance, updated_from gives every user that changed or joined, late ones aside."""
    client = Plain(server)
    before = {record["id"]: record for record in server.truth("users")}
    mark = max(record["updated_time"] for record in before.values())
    server.advance(100)
    changed = [r for r in server.truth("users") if before.get(r["id"]) != r]
    found = client.linked("/v2/users", "users", updated_from=mark, limit=3)
    assert all(record["updated_time"] >= mark for record in found)
    assert len(changed) > 2
    assert [r for r in found if before.get(r["id"]) != r] == changed
