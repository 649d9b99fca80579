"""Streams below other streams: each partition once, whatever happens to its parent."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.support.api import (
    BASE,
    Api,
    answer,
    cursor,
    partition,
    query,
    read_all,
    reading,
    response,
    rows,
    source,
    stream,
)
from tests.support.clock import run

from penstock.errors import ReadError
from penstock.plan.expr import Concat, Const, Quoted
from penstock.plan.hints import Hints
from penstock.plan.pagination import NextToken, SinglePage
from penstock.plan.records import Call, Carry, Keys, Records
from penstock.plan.request import Param
from penstock.plan.slices import Cursor, Field, Grouped, Parent, Product, Values
from penstock.read.parts import SliceClosed

DATA = Records(path=Keys(path=("data",)))
TOKENS = NextToken(token=response("next"), into=query("cursor"))
UPDATED = Cursor(
    path=Keys(path=("at",)), params=(Param(slot=query("since"), value=cursor("start")),)
)


def of(name, field="id", **rules):
    return Parent(
        stream=name, fields=(Field(name=f"{name}_id", path=Keys(path=(field,))),), **rules
    )


def below(name, parent, field="id", **parts):
    url = Concat(parts=(Const(value=f"{BASE}/{parent}/"), Quoted(value=partition(f"{parent}_id"))))
    parts.setdefault("partition", of(parent, field))
    parts.setdefault("pagination", SinglePage())
    parts.setdefault("records", DATA)
    return stream(name, url, **parts)


def top(name="users", **parts):
    parts.setdefault("pagination", TOKENS)
    return stream(name, records=DATA, **parts)


def paged(*pages):
    """Answers the pages of `/users` by number, and one record for everything else."""

    def handle(asked):
        if asked.path == "/users":
            at = asked.number("cursor")
            return {"data": pages[at], "next": at + 1 if at + 1 < len(pages) else None}
        return {"data": [{"id": asked.path}]}

    return handle


def test_each_partition_is_read_once():
    """A parent record on several pages leads to one request."""
    api = Api(paged(rows(3), rows(3, 1), rows(3, 4)))
    found = read_all(source(top(), below("posts", "users")), api)
    posts = [u for u in api.urls() if u.startswith("/users/")]
    assert sorted(posts) == [f"/users/{i}" for i in range(7)]
    assert found.tally("posts").slices == 7


def test_a_thousand_children_take_turns_in_ideal_time():
    """1,000 children of one page each at 50 ms and 20 at once take 50 rounds."""
    found = read_all(source(top(), below("posts", "users")), Api(paged(rows(1_000))))
    assert len(found.rows("posts")) == 1_000
    assert found.seconds == pytest.approx(0.05 + 2.5)


def test_a_parent_record_without_a_key_is_skipped_and_told():
    """A null key leads nowhere, and the receipt says so."""
    found = read_all(source(top(), below("posts", "users")), paged([{"id": None}, {"id": 1}]))
    assert len(found.rows("posts")) == 1
    assert found.notes("posts") == {"parent-null"}


def test_a_parent_record_that_lacks_the_key_is_an_error():
    """A key that is not there at all is a mistake in the document; its keys are named."""
    found = read_all(source(top(), below("posts", "users")), paged([{"uid": 1, "name": "x"}]))
    (lost,) = found.lost("users")
    assert lost.error.code == "parent-field"
    assert "uid, name" in str(lost.error)


def test_what_its_parents_lack_is_missing_in_a_child():
    """It read all that it knew of, and may not say that this was all there is."""
    found = read_all(
        source(top(), below("posts", "users")),
        Api(lambda asked: answer(status=403) if asked.path == "/users" else {"data": rows(1)}),
    )
    (lost,) = found.lost("posts")
    assert lost.error.code == "parent-lost"
    assert "'users' could not be read in full" in str(lost.error)


def test_parent_records_that_are_no_objects_are_an_error():
    """Scalars have no fields."""
    found = read_all(source(top(), below("posts", "users")), paged([1, "two"]))
    assert found.lost("users")[0].error.code == "parent-field"


def test_two_fields_of_which_one_lies_inside_the_other():
    """A parent may hand down an object and a value inside it."""
    fields = (
        Field(name="owner", path=Keys(path=("owner",))),
        Field(name="users_id", path=Keys(path=("owner", "id"))),
    )
    found = read_all(
        source(top(), below("posts", "users", partition=Parent(stream="users", fields=fields))),
        paged([{"owner": {"id": 7}}]),
    )
    assert found.rows("posts") == [{"id": "/users/7"}]
    assert dict(found.pages("posts")[0].slice.partition)["owner"] == {"id": 7}


def test_chains_of_three_are_read_to_the_end():
    """A child may be a parent."""

    def handle(asked):
        if asked.path == "/users":
            return {"data": rows(5)}
        if asked.path.startswith("/users/"):
            user = int(asked.path.split("/")[2])
            return {"data": rows(3, 10 * user)}
        return {"data": [{"id": asked.path}]}

    found = read_all(source(top(), below("posts", "users"), below("comments", "posts")), handle)
    assert len(found.rows("comments")) == 15
    assert not found.lost()


def test_a_parent_that_is_not_loaded_is_read_for_its_children():
    """The records of a parent that nobody selected lead on, and are not handed out."""
    found = read_all(source(top(), below("posts", "users")), paged(rows(3)), loaded=["posts"])
    assert len(found.rows("posts")) == 3
    assert found.pages("users") == []


def test_a_parent_closes_after_its_children():
    """The state of a parent does not move before its children are there."""
    api = Api(paged(rows(3), rows(3, 3)), latency=lambda a: 5.0 if a.path != "/users" else 0.01)
    found = read_all(source(top(), below("posts", "users")), api)
    kinds = found.order
    closed = kinds.index("SliceClosed users")
    assert all(k not in {"SliceClosed posts", "PagePart posts"} for k in kinds[closed:])


def test_a_failed_child_does_not_fail_its_parent():
    """One child that fails is one slice that is missing."""

    def handle(asked):
        return answer({}, status=404) if asked.path == "/users/1" else paged(rows(3))(asked)

    found = read_all(source(top(), below("posts", "users")), handle)
    assert [lost.stream for lost in found.lost()] == ["posts"]
    assert len(found.rows("posts")) == 2
    assert len(found.closed("users")) == 1


def test_a_failed_child_of_an_incremental_parent_is_kept_for_the_next_run():
    """Its parent will not list it again, so the next run asks for it, once, and then forgets it."""
    plan = source(top(cursor=UPDATED), below("posts", "users"))
    people = [{"id": 1, "at": 10}, {"id": 2, "at": 20}]

    def failing(asked):
        return answer({}, status=404) if asked.path == "/users/1" else paged(people)(asked)

    first = read_all(plan, failing)
    state = first.state()
    assert [name for name in state["posts"] if name.startswith("todo/")]
    second = read_all(plan, paged([]), state=state)
    assert [u for u in second.api.urls() if u.startswith("/users/")] == ["/users/1"]
    assert not any(name.startswith("todo/") for name in second.state(state)["posts"])


def test_a_child_that_was_kept_and_is_listed_again_is_read_once():
    """The parent may list a failed child again: it is one slice."""
    plan = source(top(cursor=UPDATED), below("posts", "users"))
    people = [{"id": 1, "at": 10}]
    first = read_all(
        plan, lambda a: answer({}, status=404) if a.path == "/users/1" else paged(people)(a)
    )
    second = read_all(plan, paged([{"id": 1, "at": 11}]), state=first.state())
    assert second.api.urls("/users/1") == ["/users/1"]
    assert not second.lost()


def test_children_keep_a_cursor_for_each_parent():
    """What is new is told for every parent by itself."""
    plan = source(top(), below("posts", "users", cursor=UPDATED))
    times = {"/users/0": 5, "/users/1": 500}

    def handle(asked):
        if asked.path == "/users":
            return paged(rows(2))(asked)
        return {"data": [{"id": asked.path, "at": times[asked.path]}]}

    first = read_all(plan, handle)
    second = read_all(plan, handle, state=first.state())
    since = {a.path: a.query.get("since") for a in second.api.requests if a.path != "/users"}
    assert since == {"/users/0": "5", "/users/1": "500"}
    assert second.rows("posts") == []
    assert second.tally("posts").duplicates == 2


@pytest.mark.parametrize("count", [3, 2_500])
def test_a_child_whose_partitions_cannot_be_made_does_not_hold_its_parent(count):
    """A child that fails as a whole is lost; its parent goes on, however much it lists."""
    wrong = Product(members=(of("users"), Values(name="kind", values=Const(value="no list"))))
    found = read_all(
        source(top(), below("posts", "users", partition=wrong)), paged(rows(count), rows(5, count))
    )
    assert len(found.rows("users")) == count + 5
    assert len(found.closed("users")) == 1
    assert [lost.stream for lost in found.lost()] == ["posts"]


def test_a_product_of_a_parent_and_values_is_every_combination_once():
    """Each parent record is read with each value."""
    product = Product(
        members=(
            of("users"),
            Values(
                name="kind",
                values=Const(value=["a", "b"]),
                params=(Param(slot=query("kind"), value=partition("kind")),),
            ),
        )
    )
    found = read_all(source(top(), below("posts", "users", partition=product)), paged(rows(2)))
    posts = sorted(u for u in found.api.urls() if u.startswith("/users/"))
    assert posts == ["/users/0?kind=a", "/users/0?kind=b", "/users/1?kind=a", "/users/1?kind=b"]


def test_a_product_of_values_is_every_combination_once():
    """Two lists of two give four slices."""
    members = tuple(
        Values(
            name=name,
            values=Const(value=["1", "2"]),
            params=(Param(slot=query(name), value=partition(name)),),
        )
        for name in "ab"
    )
    found = read_all(
        source(stream(partition=Product(members=members), pagination=SinglePage(), records=DATA)),
        lambda _: {"data": []},
    )
    assert sorted(found.api.urls()) == [f"/rows?a={a}&b={b}" for a in "12" for b in "12"]


@pytest.mark.parametrize("count", [0, 3, 1_500])
def test_a_product_of_two_parents_does_not_wait_for_itself(count):
    """Every pair is read, and both parents close."""
    product = Product(members=(of("users"), of("teams")))
    plan = source(top(), top("teams"), below("posts", "users", partition=product))

    def handle(asked):
        if asked.path == "/teams":
            return {"data": rows(2)}
        return paged(rows(count))(asked)

    found = read_all(plan, handle)
    assert found.tally("posts").slices == 2 * count
    assert len(found.closed("users")) == len(found.closed("teams")) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_what_a_parent_is_combined_with_holds_it_back(order):
    """Where one of two parents fails, the other may not move on: its records led to no pair."""
    members = (of("users"), of("teams"))[::order]
    child = below("posts", "users", partition=Product(members=members))
    plan = source(top(cursor=UPDATED), top("teams"), child)
    failing = [answer(status=403)]

    def handle(asked):
        if asked.path == "/teams":
            return failing.pop() if failing else {"data": rows(2)}
        return paged([{"id": 1, "at": 10}])(asked)

    first = read_all(plan, handle)
    second = read_all(plan, handle, state=first.state())
    assert {lost.stream: lost.error.code for lost in first.lost()} == {
        "teams": "auth-refused",
        "users": "parent-lost",
        "posts": "parent-lost",
    }
    assert len(second.rows("posts")) == 2
    assert not second.lost()


def test_what_is_combined_with_no_list_holds_its_parent_back():
    """A list that cannot be told is asked for again, and with it what it is combined with."""
    wrong = Product(members=(of("users"), Values(name="kind", values=Const(value="no list"))))
    child = below("posts", "users", partition=wrong)
    found = read_all(source(top(cursor=UPDATED), child), paged([{"id": 1, "at": 10}]))
    assert not found.closed("users")
    assert not any(name.startswith("todo/") for name in found.state().get("posts", {}))


@pytest.mark.parametrize("count", [1, 4, 25])
def test_groups_of_parents_are_filled_across_slices(count):
    """A group that is not full yet does not keep its parents from going on."""
    listed = stream(
        "users",
        partition=Values(
            name="page",
            values=Const(value=list(range(count))),
            params=(Param(slot=query("page"), value=partition("page")),),
        ),
        pagination=SinglePage(),
        records=DATA,
    )
    grouped = Grouped(of=of("users"), size=10)
    child = stream(
        "posts",
        partition=grouped,
        params=(Param(slot=query("ids"), value=partition("users_id")),),
        pagination=SinglePage(),
        records=DATA,
    )
    found = read_all(
        source(listed, child, concurrency=2),
        lambda a: {"data": rows(1, a.number("page")) if a.path == "/users" else []},
    )
    assert found.tally("posts").slices == -(-count // 10)
    assert len(found.closed("users")) == count


def test_a_slow_taker_holds_the_reader_back_and_loses_nothing():
    """Back-pressure reaches the API through parents and children alike."""
    found = read_all(
        source(top(), below("posts", "users")),
        paged(*[rows(50, 50 * i) for i in range(30)]),
        slowly=0.02,
    )
    assert len(found.rows("posts")) == 1_500


def test_columns_of_the_slice_come_along():
    """A slice carries the columns that its records get."""
    carried = Records(
        path=Keys(path=("data",)), steps=(Carry(name="user_id", value=partition("users_id")),)
    )
    found = read_all(source(top(), below("posts", "users", records=carried)), paged(rows(2)))
    assert sorted(p.slice.extras for p in found.pages("posts")) == [
        (("user_id", 0),),
        (("user_id", 1),),
    ]


def test_a_column_that_cannot_be_told_loses_its_slice_only():
    """An expression that fails for a slice is an error of that slice."""
    carried = Records(
        path=Keys(path=("data",)), steps=(Carry(name="x", value=partition("nothing")),)
    )
    found = read_all(source(top(), below("posts", "users", records=carried)), paged(rows(2)))
    assert len(found.lost("posts")) == 2
    assert len(found.closed("users")) == 1


def test_marks_of_a_pass_that_was_cut_off_are_not_asked_again():
    """Partitions that are done are skipped, and their marks go with the pass."""
    plan = source(top(), below("posts", "users", hints=Hints(write="append")))

    def failing(asked):
        return answer({}, status=404) if asked.path == "/users/1" else paged(rows(3))(asked)

    first = read_all(plan, failing)
    state = first.state()
    assert sum(name.startswith("done/") for name in state["posts"]) == 2
    second = read_all(plan, paged(rows(3)), state=state)
    assert [u for u in second.api.urls() if u.startswith("/users/")] == ["/users/1"]
    assert second.state(state)["posts"] == {}


def test_marks_of_a_pass_hold_for_the_parents_as_they_were():
    """One that has changed is listed for the last time: what is below it is read again."""
    hints = Hints(write="merge", primary_key=("id",))
    above = top(cursor=UPDATED, hints=hints)
    plan = source(above, below("posts", "users", hints=hints))
    first, second = ([{"id": i, "at": at} for i in range(3)] for at in ("2026-01-01", "2026-01-02"))

    def failing(asked):
        return answer({}, status=404) if asked.path == "/users/1" else paged(first)(asked)

    state = {"posts": read_all(plan, failing).state()["posts"]}  # the run ended before the parents'
    assert [name[:5] for name in state["posts"]] == ["done/", "todo/", "done/"]
    unchanged = read_all(plan, paged(first), state=state)
    assert [u for u in unchanged.api.urls() if u.startswith("/users/")] == ["/users/1"]
    changed = read_all(plan, paged([second[0], *first[1:]]), state=state)
    asked = [u for u in changed.api.urls() if u.startswith("/users/")]
    assert sorted(asked) == ["/users/0", "/users/1"]


def test_what_may_still_come_late_is_read_again_in_a_pass():
    """Below a record in the lag something may come that leaves it as it is; far ones are done."""
    merged = Hints(write="merge", primary_key=("id",))
    plan = source(top(cursor=replace(UPDATED, lag=5.0)), below("posts", "users", hints=merged))
    people = [{"id": 1, "at": 10}, {"id": 2, "at": 97}, {"id": 3, "at": 100}]

    def failing(asked):
        return answer({}, status=404) if asked.path == "/users/3" else paged(people)(asked)

    first = read_all(plan, failing)
    state = {"posts": first.state()["posts"]}  # the run was cut off before its parents closed
    second = read_all(plan, paged(people), state=state)
    asked = {u for u in second.api.urls() if u.startswith("/users/")}
    assert asked == {"/users/2", "/users/3"}


@pytest.mark.parametrize("write", ["merge", "append"])
def test_a_table_that_is_replaced_gets_all_that_is_above_it(write):
    """Also what a run that was cut off had read: again, or the table stays until the next run."""
    middle = below("posts", "users", hints=Hints(write=write, primary_key=("id",)))
    leaf = below("notes", "posts", hints=Hints(write="replace"))
    plan = source(top(), middle, leaf)

    def failing(asked):
        return answer({}, status=404) if asked.path == "/users/1" else paged(rows(3))(asked)

    state = read_all(plan, failing).state()
    again = read_all(plan, paged(rows(3)), state=state)
    asked = sorted(u for u in again.api.urls() if u.startswith("/users/"))
    if write == "merge":
        assert asked == ["/users/0", "/users/1", "/users/2"]
        assert not again.lost("notes")
    else:
        assert asked == ["/users/1"]
        (lost,) = again.lost("notes")
        assert (lost.error.code, lost.error.hint[:9]) == ("parent-lost", "run the s")


def test_what_breaks_off_below_closes_nothing_above():
    """The state of a parent would move past records whose children never came."""

    def broken(asked):
        if asked.path == "/users/7":
            raise ZeroDivisionError
        return paged(rows(20))(asked)

    parts = []
    with pytest.raises(ZeroDivisionError):
        read_all(source(top(), below("posts", "users")), broken, parts=parts)
    closed = [part.stream for part in parts if isinstance(part, SliceClosed)]
    assert "users" not in closed


def test_a_fault_of_our_own_ends_the_run_loudly():
    """What is no error of reading is raised as it is, and nothing hangs."""

    class OwnError(Exception):
        """Not one of Penstock's."""

    def broken(asked):
        if asked.path == "/users/7":
            raise OwnError
        return paged(rows(2_000))(asked)

    api = Api(broken)
    with pytest.raises(OwnError):
        read_all(source(top(), below("posts", "users")), api)
    assert api.in_flight == 0


def test_a_failing_step_names_the_record():
    """A function of the document that fails is an error of the slice."""
    steps = (Call(does="map", function=lambda r: r["nothing"], name="pick"),)
    found = read_all(
        source(
            stream(records=Records(path=Keys(path=("data",)), steps=steps), pagination=SinglePage())
        ),
        lambda _: {"data": rows(1)},
    )
    error = found.error()
    assert isinstance(error, ReadError)
    assert (error.code, '{"id":0}' in str(error)) == ("step-failed", True)


@pytest.mark.parametrize("after", [1, 5, 40])
def test_a_stop_ends_the_parts(after):
    """A reader that is stopped asks nothing more and leaves nothing behind."""
    api = Api(paged(rows(500)))
    found = read_all(source(top(), below("posts", "users")), api, stop_after=after)
    assert len(found.parts) >= after
    assert len(api.requests) < 500
    assert api.in_flight == 0
    assert not any(isinstance(p, SliceClosed) and p.stream == "users" for p in found.parts)


def test_a_taker_that_is_cancelled_leaves_no_task_behind():
    """Cancelling whoever takes the parts ends all requests."""
    api = Api(paged(rows(500)))

    async def cancelled():
        task = asyncio.ensure_future(reading(source(top(), below("posts", "users")), api))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(asyncio.all_tasks())

    assert run(cancelled()) == 1
    assert api.in_flight == 0


def test_a_stream_whose_classes_are_missing_is_not_read():
    """Without its classes a stream would give other rows than the document means."""
    plan = source(replace(stream("a"), needs=("components.Extractor",)))
    found = read_all(plan, Api(lambda asked: [{"id": 1}]))
    assert found.error().code == "class-missing"
    assert not found.api.requests
