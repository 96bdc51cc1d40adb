"""Who looked at whose personal data or receipt is noted before he is shown it, and nobody can take it back."""

import re
from uuid import UUID

import psycopg
import pytest

from adapters.postgres import access_log
from adapters.postgres.access_log import ONE_LOOK_SECONDS, PostgresAccessLog
from domain.envelope import Actor, Role
from tests.system.customers import LINDNER, STRANGER
from tests.system.test_bad_input import ORDER, Operation, World, world

__all__ = ["world"]

pytestmark = pytest.mark.system

Row = tuple[str, str, str, str, UUID, UUID]


def _looks(url: str) -> list[Row]:
    """As an investigator reads them."""
    with psycopg.connect(re.sub(r"//\w+@", "//seatledger_investigator@", url), autocommit=True) as connection:
        return connection.execute(
            "SELECT actor_id, actor_role, operation, subject_kind, subject_id, account_id"
            " FROM investigation.access_log ORDER BY looked_at, subject_id"
        ).fetchall()


def _as_owner(url: str, statement: str) -> None:
    with psycopg.connect(re.sub(r"//\w+@", "//postgres@", url), autocommit=True) as connection:
        connection.execute(statement.encode())


async def test_whoever_is_shown_personal_data_is_noted_and_whoever_is_refused_is_not(
    world: World, ledger_url: str
) -> None:
    before = len(_looks(ledger_url))
    account, order = Operation("GET", "/v1/accounts/{account_id}"), Operation("GET", "/v1/orders/{order_id}")
    async with world.client() as client:
        for operation, who, status in (
            (account, "investigator", 200),
            (account, "investigator", 200),  # the same look
            (order, "finance", 200),
            (account, "far_rep", 404),
            (order, "stranger", 404),
            (account, None, 401),
            (Operation("GET", "/v1/accounts/{account_id}/quotes"), "finance", 200),  # tells nothing of a person
            (Operation("GET", "/v1/orders/{order_id}/receipt"), "finance", 404),  # there is none yet
        ):
            answer = await world.send(client, operation, {"caller": who})
            assert answer.status_code == status, answer.text
        listed = await world.send(client, Operation("GET", "/v1/accounts", "rep"), {})
    looks = _looks(ledger_url)[before:]
    assert looks[:2] == [
        ("p-investigator", "investigator", "view_accounts", "BillingAccount", LINDNER, LINDNER),
        ("p-finance", "finance", "view_accounts", "ServiceOrder", ORDER, LINDNER),
    ]
    assert {(actor, str(subject)) for actor, _, _, _, subject, _ in looks[2:]} == {
        ("p-rep", each["id"]) for each in listed.json()["items"]
    }


async def test_what_can_not_be_noted_is_not_shown(world: World, ledger_url: str) -> None:
    _as_owner(ledger_url, "REVOKE INSERT ON ledger.access_log FROM seatledger_api")
    async with world.client() as client:
        answer = await world.send(client, Operation("GET", "/v1/accounts/{account_id}", "care"), {})
        assert answer.status_code == 500
        assert "Lindner" not in answer.text
        quotes = await world.send(client, Operation("GET", "/v1/accounts/{account_id}/quotes", "care"), {})
        assert quotes.status_code == 200


async def test_a_look_a_minute_later_is_another_one(
    world: World, monkeypatch: pytest.MonkeyPatch, ledger_url: str
) -> None:
    monkeypatch.setattr(access_log, "REMEMBERED", 2)
    now = [0.0]
    log = PostgresAccessLog(world.ledger.queries._pool, lambda: now[0])
    before, actor = len(_looks(ledger_url)), Actor("p-vogt", Role.ACCOUNT_SERVICES)
    for now[0] in (0.0, 1.0, ONE_LOOK_SECONDS - 1, ONE_LOOK_SECONDS, ONE_LOOK_SECONDS + 1):
        await log.looked(actor, "view_accounts", "BillingAccount", [(LINDNER, LINDNER)])
    assert len(_looks(ledger_url)) == before + 2
    await log.looked(actor, "view_accounts", "BillingAccount", [(UUID(int=n), STRANGER) for n in range(5)])
    await log.looked(actor, "view_accounts", "BillingAccount", [])
    assert len(_looks(ledger_url)) == before + 7
    assert len(log._noted) == 2
