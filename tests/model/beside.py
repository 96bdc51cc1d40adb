"""The real ledger with the plain model beside it: a command is given to both, and after each step both must agree."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine, invariant

from domain.envelope import Actor, Role
from domain.refusals import Refusal
from services.accounts import StartSubscription
from services.ports import Outcome
from tests.model.books import Refused
from tests.model.facts import Expected, Observed
from tests.model.people import PlainAccount
from tests.world import ACCOUNT, ASSIST, MEETING, NOON, OPERATOR, World

CARE: Final = Actor("p-care", Role.ACCOUNT_SERVICES)
IDS: Final = {"meeting": MEETING, "assist": ASSIST}
DAYS_LEFT: Final = {"meeting": 302, "assist": 40}
"""Of each subscription's year; one ends soon, so that terms end within a life."""


class Beside(RuleBasedStateMachine):
    """One account, its model beside it. `reached`: the names of all events that some life stored."""

    reached: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World()
        self.run(self._begin())
        self.model = PlainAccount(NOON, DAYS_LEFT)
        self.quotes: dict[str, UUID] = {}
        self.orders: dict[str, UUID] = {}
        self.expected = Expected(self.model, self.quotes, self.orders)
        self.observed = Observed(self.world)

    async def _begin(self) -> None:
        await self.world.open_account()
        products = {"meeting": ("S-1", "goto_meeting"), "assist": ("S-2", "gotoassist_v5")}
        for name, left in DAYS_LEFT.items():
            end = NOON.date() + timedelta(days=left)
            number, product = products[name]
            command = StartSubscription(ACCOUNT, number, product, 10, 22800, end - timedelta(days=365), end)
            await self.world.accounts.start_subscription(command, self.world.context(OPERATOR))

    def teardown(self) -> None:
        self.reached.update(self.world.types())
        self.loop.close()

    def run(self, what: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(what)

    def both(self, plain: Callable[[], None], real: Callable[[], Awaitable[Outcome]]) -> Outcome | None:
        """Do it in both; either both do it, or both refuse it with the same code."""
        plain_code = real_code = outcome = None
        try:
            plain()
        except Refused as refused:
            plain_code = refused.code
        try:
            outcome = self.run(real())
        except Refusal as refusal:
            real_code = refusal.code
        assert real_code == plain_code, f"the ledger says {real_code or 'yes'}, the model {plain_code or 'yes'}"
        return outcome

    # --- what must be so after each step ---------------------------------------------------------------------------

    @invariant()
    def model_and_ledger_agree(self) -> None:
        self.run(self._agree())

    async def _agree(self) -> None:
        model, observed, expected = self.model, self.observed, self.expected
        await observed.look()
        told = expected.by_id(IDS)
        assert {id: observed.by_id.get(id) for id in told} == told
        assert observed.care == expected.care()
        assert len(observed.receipts) == len(set(observed.receipts)) == sum(model.receipts_of_year.values())
        assert sum(quote["state"] == "Open" for quote in self._those(self.quotes)) <= 1
        if model.orders:
            await self._money_and_seats_agree()

    async def _money_and_seats_agree(self) -> None:
        model, observed, expected = self.model, self.observed, self.expected
        assert await observed.money() == expected.money()
        known = await observed.provisioned()
        assert known == {id: observed.by_id[id]["seats"] for id in known}
        for name, id in self.orders.items():
            order = await self.world.order(id)
            gross = sum(line.gross for line in model.orders[name].lines)
            assert order.captured_amount <= order.authorised_amount <= gross

    def _those(self, ids: dict[str, UUID]) -> list[Any]:
        return [self.observed.by_id[id] for id in ids.values()]
