"""The fold itself: which rows an event touches, and what becomes of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.account import BillingAccount
from domain.envelope import Actor, Recorded, Role
from projections.fold import Projection, RowKey, Table

A, B = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """A row."""

    id: UUID
    count: int


def _recorded(event: BillingAccount.Event) -> Recorded:
    return Recorded(1, 0, 0, B, A, NOON, Actor("p", Role.OPERATOR), None, B, B, None, event)


ALLOWED = _recorded(BillingAccount.SelfServiceAllowed(originator_id=A, originator_version=2, timestamp=NOON))


def test_a_table_is_keyed_by_a_field_of_its_rows() -> None:
    with pytest.raises(ValueError, match="has no field"):
        Table("rows", Row, key="nothing")


def test_an_event_touches_the_rows_that_its_handlers_ask_for() -> None:
    table = Table("rows", Row, key="id")
    table.on(BillingAccount.SelfServiceAllowed)(lambda row, _, __: row)
    table.on(BillingAccount.SelfServiceAllowed, keys=lambda _, __: (B,))(lambda row, _, __: row)
    projection = Projection("counting", 1, table)
    assert [row_key for row_key, _ in projection.steps(ALLOWED)] == [RowKey("rows", A), RowKey("rows", B)]
    assert projection.event_classes == {BillingAccount.SelfServiceAllowed}


def test_a_handler_sees_what_the_one_before_it_made() -> None:
    table = Table("rows", Row, key="id")
    for _ in range(2):
        table.on(BillingAccount.SelfServiceAllowed)(
            lambda row, event, _: Row(event.originator_id, row.count + 1 if row else 1)
        )
    rows: dict[RowKey, Row] = {}
    Projection("counting", 1, table).apply(rows, ALLOWED)
    assert rows == {RowKey("rows", A): Row(A, 2)}


def test_none_deletes_the_row() -> None:
    table = Table("rows", Row, key="id")
    table.on(BillingAccount.SelfServiceAllowed)(lambda _, __, ___: None)
    rows: dict[RowKey, Row | None] = {RowKey("rows", A): Row(A, 1)}
    Projection("counting", 1, table).apply(rows, ALLOWED)
    assert rows == {RowKey("rows", A): None}
