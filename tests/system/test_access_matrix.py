"""Every operation x everybody who may call it: the status is what the table says, and a refusal leaves nothing."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter

from adapters.http.callers import AskedRoute
from domain.envelope import Role
from domain.identifiers import command_id, order_id, quote_id, subscription_id
from projections.catalogue import PROJECTIONS
from services.authorisation import PERMITTED, SEES, Sight
from services.authorisation import Operation as Asked
from tests.system.customers import CARDLESS, LINDNER, RESTRICTED, STRANGER
from tests.system.test_bad_input import (
    CALLERS,
    FOREIGN_IDS,
    NOWHERE,
    OPERATIONS,
    Operation,
    World,
    _operations,
    world,
)

__all__ = ["world"]  # a fixture is used by its name

pytestmark = pytest.mark.system

OPEN_TO_ALL: Final = {("GET", "/healthz"), ("GET", "/readyz")}
UNKNOWN: Final = (None, "expired", "of another audience", "of another issuer", "signed by nobody")
ROLES: Final = {who: role for role, who in CALLERS.items()}
FORMS: Final = {400, 422, 428}
"""What somebody permitted is told about a request without form: he is asked for his rights before."""


def _ids_of(account: UUID, number: str, actor: str) -> dict[str, UUID]:
    quote = quote_id(command_id(account, actor, "open"))
    subscription = subscription_id(number)
    return {"account_id": account, "quote_id": quote, "order_id": order_id(quote), "subscription_id": subscription}


FOREIGN: Final = (FOREIGN_IDS, _ids_of(RESTRICTED, "S-31", "p-rep"), _ids_of(CARDLESS, "S-41", "p-rep"))


@dataclass(frozen=True, slots=True)
class Cell:
    """One call: whose, on whose ids, and what the table says to it; `status` None: that it is permitted."""

    who: str | None
    ids: dict[str, UUID]
    status: int | None
    code: str = ""


def cells(operation: Operation, described: dict[str, Any]) -> Iterator[Cell]:
    asked = [Asked(each) for each in described["x-operations"]]
    assert set(asked) == set(operation.may)
    permitted = {role for each in asked for role in PERMITTED[each]}
    for who in UNKNOWN:
        yield Cell(who, {}, 401, "UNAUTHENTICATED")
    for who, role in ROLES.items():
        if role in permitted:
            yield Cell(who, {}, None)
        else:
            an_admins = Role.BILLING_ADMIN in permitted and operation.ids
            yield Cell(who, {}, 403, "NOT_BILLING_ADMIN" if an_admins else "NOT_PERMITTED")
    if not operation.ids:
        return
    yield Cell("far_rep", {}, 404, "NOT_FOUND")
    for ids in FOREIGN:
        yield from (Cell(who, ids, 404, "NOT_FOUND") for who in (*_with_named_accounts(), "far_rep"))


def _with_named_accounts() -> Iterator[str]:
    yield from (who for who, role in ROLES.items() if SEES[role] is Sight.NAMED)


async def _everything(world: World) -> dict[str, int]:
    """The log's end, each checkpoint, and the rows of each table that anybody can write."""
    tables = ["ledger.events", "ledger.vault", "ledger.commands", "ledger.work_claims", "projecting.parked"]
    tables += [f"{each.name}.{table}" for each in PROJECTIONS for table in each.tables]
    tables += ["sandbox.books"]
    queries = {table: f"SELECT count(*) FROM {table}" for table in tables}
    queries["the log's end"] = "SELECT max(notification_id) FROM ledger.events"
    async with world.ledger.pool.connection() as connection:
        found = {name: await (await connection.execute(query.encode())).fetchone() for name, query in queries.items()}
    return {name: row[0] for name, row in found.items() if row}


@pytest.fixture
async def inhabited(world: World) -> World:
    """The world with a quote and an order of each foreign account, too."""
    async with world.client() as client:
        for ids in FOREIGN[1:]:
            cart = {"lines": [{"subscription_id": str(ids["subscription_id"]), "seats_to_add": 3}], "replaces": None}
            issue = Operation("POST", "/v1/accounts/{account_id}/quotes", "rep", cart, {"Idempotency-Key": "open"})
            answer = await world.send(client, issue, {"ids": ids})
            assert (answer.status_code, answer.json()["id"]) == (201, str(ids["quote_id"]))
            prepare = Operation("POST", "/v1/quotes/{quote_id}/orders", "everywhere", None, {"Idempotency-Key": "p"})
            answer = await world.send(client, prepare, {"ids": ids})
            assert (answer.status_code, answer.json()["id"]) == (201, str(ids["order_id"]))
            order = Operation("GET", "/v1/orders/{order_id}", "everywhere")
            waiting = {"Seatledger-Wait-For": answer.headers["Seatledger-Position"]}
            assert (await world.send(client, order, {"ids": ids, "headers": waiting})).status_code == 200
    for each in world.ledger.projections:
        await each.caught_up()  # the to-do lists' rows are counted, too
    return world


async def test_everybody_gets_what_the_table_says_and_a_refusal_leaves_nothing(inhabited: World) -> None:
    document = _operations(inhabited.app.openapi())
    assert {(each.method, each.path) for each in OPERATIONS} == set(document)
    before, wrong, count = await _everything(inhabited), [], 0
    async with inhabited.client() as client:
        for operation in OPERATIONS:
            if (operation.method, operation.path) in OPEN_TO_ALL:
                continue
            for cell in cells(operation, document[operation.method, operation.path]):
                count += 1
                answer = await _called(inhabited, client, operation, cell)
                expected = FORMS if cell.status is None else {cell.status}
                code = answer.json()["code"]
                if answer.status_code not in expected or code != (cell.code or code):
                    told = f"{answer.status_code} {code}, not {cell.status or 'permitted'} {cell.code}"
                    wrong.append(f"{operation.method} {operation.path} {cell.who} {cell.ids}: {told}")
    assert not wrong, "\n".join(wrong)
    assert await _everything(inhabited) == before
    assert count > 25 * len(OPERATIONS) // 2


async def _called(world: World, client: httpx2.AsyncClient, operation: Operation, cell: Cell) -> httpx2.Response:
    """A refusal is asked for with a request that would do something, a permission with one that can't."""
    change: dict[str, Any] = {"caller": cell.who, "ids": cell.ids}
    if cell.status is None:
        spoilt = dict.fromkeys(operation.headers) | {"Seatledger-Wait-For": "never"}
        change |= {"headers": spoilt, "content": b"{}" if operation.body else None}
        if not operation.headers and operation.method == "POST":
            change["content"] = b"[]"
    return await world.send(client, operation, change)


async def test_a_foreign_id_is_answered_like_one_that_nobody_has(inhabited: World) -> None:
    async with inhabited.client() as client:
        for operation in OPERATIONS:
            for name in set(operation.ids) & set(FOREIGN_IDS):
                told = set()
                for id in (NOWHERE, *(ids[name] for ids in FOREIGN)):
                    answer = await inhabited.send(client, operation, {"caller": "anna", "ids": {name: id}})
                    told.add((answer.status_code, answer.text.replace(str(id), "ID"), len(answer.headers)))
                assert len(told) == 1, operation


async def test_a_foreign_id_takes_no_other_time_than_one_that_nobody_has(inhabited: World) -> None:
    reading = Operation("GET", "/v1/orders/{order_id}", "anna")
    async with inhabited.client() as client:
        for _ in range(5):  # somebody else may have the machine for a moment
            taken: dict[UUID, list[float]] = {NOWHERE: [], FOREIGN_IDS["order_id"]: []}
            for _ in range(40):
                for id, seconds in taken.items():
                    began = time.perf_counter()
                    await inhabited.send(client, reading, {"ids": {"order_id": id}})
                    seconds.append(time.perf_counter() - began)
            nowhere, foreign = (statistics.median(seconds) for seconds in taken.values())
            if abs(nowhere - foreign) < 0.2 * nowhere:
                return
    pytest.fail(f"a foreign id takes {foreign:.5f} s, one that nobody has {nowhere:.5f} s")


@pytest.mark.parametrize("who", ["anna", "service", "far_rep"])
async def test_a_list_holds_nothing_of_others(world: World, who: str) -> None:
    seen: list[str] = []
    async with world.client() as client:
        cursor: dict[str, str] = {}
        while True:
            listed = Operation("GET", "/v1/accounts", who)
            answer = (await world.send(client, listed, {"query": {"limit": "1", **cursor}})).json()
            seen += [each["id"] for each in answer["items"]]
            if not answer["next"]:
                break
            cursor = {"cursor": answer["next"]}
        foreign = await world.send(client, Operation("GET", "/v1/accounts", "everywhere"), {"query": {"limit": "1"}})
        answer = (await world.send(client, listed, {"query": {"cursor": foreign.json()["next"]}})).json()
        assert all(each["id"] == str(LINDNER) for each in answer["items"]), "another's cursor opens nothing"
    assert seen == ([] if who == "far_rep" else [str(LINDNER)])
    assert str(STRANGER) not in seen


def test_a_route_without_a_row_can_not_be_made() -> None:
    with pytest.raises(TypeError, match="asks"):
        APIRouter(route_class=AskedRoute).get("/new")(lambda: None)


async def test_every_route_outside_the_table_is_one_of_these(world: World) -> None:
    unasked = {key for key, described in _operations(world.app.openapi()).items() if "x-operations" not in described}
    assert unasked == OPEN_TO_ALL
