"""docs/reference/order-states.md says what the code does, in every cell, and what it says makes sense."""

import asyncio
import json
from dataclasses import replace
from typing import Any, cast

import pytest

from adapters.http import problems
from domain.order import OrderCommand, OrderState
from domain.refusals import OrderNotInState, OrderNotPayable
from tests.reference.acts import COMMANDS, RESULTS
from tests.reference.document import PATH, cell_in, said, written
from tests.reference.situations import SITUATIONS, reached
from tests.reference.walk import Walk, told, walked

SITUATION_NAMES = [situation.name for situation in SITUATIONS]
COMMAND_CELLS = [(heading, each.name) for heading, group in COMMANDS.items() for each in group]
RESULT_CELLS = [(heading, name) for heading, group in RESULTS.items() for name in group]
GOVERNED = [(each.name, each.governed_by) for group in COMMANDS.values() for each in group if each.governed_by]


@pytest.fixture(scope="module")
def walk() -> Walk:
    return asyncio.run(walked())


@pytest.fixture(scope="module")
def page() -> str:
    return PATH.read_text("utf-8")


@pytest.mark.parametrize("situation", SITUATION_NAMES)
@pytest.mark.parametrize(("heading", "command"), COMMAND_CELLS, ids=[name for _, name in COMMAND_CELLS])
def test_a_command_does_what_the_page_says(walk: Walk, page: str, situation: str, heading: str, command: str) -> None:
    assert said(walk.commands[situation, command]) == cell_in(page, heading, situation, command)


@pytest.mark.parametrize("situation", SITUATION_NAMES)
@pytest.mark.parametrize(("heading", "result"), RESULT_CELLS, ids=[name for _, name in RESULT_CELLS])
def test_an_answer_does_what_the_page_says(walk: Walk, page: str, situation: str, heading: str, result: str) -> None:
    assert said(walk.results[situation, result]) == cell_in(page, heading, situation, result)


def test_the_whole_page_is_as_it_would_be_written_now(walk: Walk, page: str) -> None:
    assert written(walk) == page, "what an order does has changed: look at it, then run `make reference`"


def test_a_changed_cell_would_be_seen(walk: Walk, page: str) -> None:
    wrong = replace(walk.commands["Prepared", "place"], after=OrderState.CANCELLED)
    assert said(wrong) != cell_in(page, "The billing admin", "Prepared", "place")
    assert written(replace(walk, commands={**walk.commands, ("Prepared", "place"): wrong})) != page


def test_every_state_has_a_situation_and_every_situation_its_state(walk: Walk) -> None:
    assert {situation.state for situation in SITUATIONS} == set(OrderState)
    assert {name: each.order.state for name, each in walk.standing.items()} == {it.name: it.state for it in SITUATIONS}


@pytest.mark.parametrize("situation", SITUATION_NAMES)
def test_an_order_says_rightly_what_is_possible(walk: Walk, situation: str) -> None:
    carried_out = {by for name, by in GOVERNED if walk.commands[situation, name].refusal is None}
    assert set(walk.standing[situation].order.possible) == carried_out
    assert {by for _, by in GOVERNED} == set(OrderCommand), "every command of the domain was tried"


def test_a_refusal_stores_nothing_and_is_a_conflict_with_the_state(walk: Walk) -> None:
    refused = [(cell, cell.refusal) for cell in walk.commands.values() if cell.refusal]
    assert refused
    for cell, refusal in refused:
        assert (cell.events, cell.after) == ((), cell.before)
        assert problems.STATUS[type(refusal)] == 409


def test_a_refusal_by_the_state_says_what_the_state_is_and_what_is_possible(walk: Walk) -> None:
    for (situation, _), cell in walk.commands.items():
        if isinstance(cell.refusal, OrderNotInState | OrderNotPayable):
            order = walk.standing[situation].order
            assert (cell.refusal.state, cell.refusal.possible) == (order.state, order.possible)
            assert ", ".join(order.possible or ["nothing"]) in str(cell.refusal)


async def test_a_problem_lists_what_is_possible(walk: Walk) -> None:
    refusal = walk.commands["PaymentDeclined", "place"].refusal
    assert refusal
    answer = await problems._refused(cast(Any, None), refusal)
    problem = json.loads(bytes(answer.body))
    assert (problem["status"], problem["code"], problem["state"]) == (409, "ORDER_STATE", "PaymentDeclined")
    assert problem["possible"] == ["change_details", "pay", "cancel"]


@pytest.mark.parametrize("name", SITUATION_NAMES)
async def test_what_is_told_twice_is_told_once(name: str) -> None:
    """But for the receipt: each copy that was mailed is a fact of its own."""
    world, id = await reached(next(each for each in SITUATIONS if each.name == name))
    for group in RESULTS.values():
        for result, tell in group.items():
            if not result.startswith("receipt"):
                assert (await told(world, id, tell, times=2)).events == (), result


def test_left_alone_an_order_ends_or_waits_for_its_customer(walk: Walk) -> None:
    for name, standing in walk.standing.items():
        end = (standing.order.state, *standing.way)[-1]
        waits = end is OrderState.PAYMENT_DECLINED and standing.order.provisioned_lines
        assert end in {OrderState.COMPLETED, OrderState.CANCELLED} or waits, name
        assert not standing.left_undone, name


def test_whatever_a_partner_does_wrong_once_the_order_ends_or_asks_for_another_card(walk: Walk) -> None:
    assert {fault.later for fault in walk.faults.values()} == {
        OrderState.COMPLETED,
        OrderState.CANCELLED,
        OrderState.PAYMENT_DECLINED,
    }
