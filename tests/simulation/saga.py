"""One company's life by a seed: carts, orders, care and time, while partners fail and workers die in the middle.

`live` does at random what people and the clock do; `settle` heals the partners and lets the workers finish. Nothing
here knows how the services work.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any, Final, cast

from adapters.documents.notice import NoticeTemplates
from adapters.memory.work_lists import MemoryWorkList
from domain.account import BillingAccount, RestrictionReason
from domain.care import Care
from domain.envelope import Actor, Role
from domain.order import OrderState, ServiceOrder
from domain.quote import CartLine, Quote, QuoteOrigin
from domain.refusals import Refusal
from domain.subscription import Subscription, SubscriptionState
from projections.care import care
from services.fulfilment import Counterparties, Fulfilment
from services.mailing import NoticeMail, ReceiptMail
from services.ports import (
    AdminDirectory,
    CommandContext,
    CounterpartyError,
    Mailer,
    Payments,
    PaymentStatus,
    SeatProvisioning,
    VersionConflict,
)
from services.quoting import IssueQuote
from services.vault_records import Contact
from services.working import ClaimLost, Work
from tests.simulation.partners import Unreliable
from tests.world import ACCOUNT, ADDRESS, ADMIN, ASSIST, JONAS, MEETING, REP, World, folded

CARE: Final = Actor("p-care", Role.ACCOUNT_SERVICES)
CARDS: Final = (
    "tok_visa",
    "tok_mastercard",
    "tok_declined",
    "tok_insufficient_funds",
    "tok_action_required",
    "tok_timeout_before_effect",
    "tok_timeout_after_effect",
)


class Saga:
    """A world whose counterparties are unreliable, and what happens in it."""

    def __init__(self, seed: int, rate: float = 0.25) -> None:
        """Everything follows from the seed."""
        self.random = Random(seed)
        self.world = world = World()
        self.partners = [
            Unreliable(port, self.random, rate)
            for port in (world.payments, world.directory, world.provisioning, world.mailer)
        ]
        payments, directory, provisioning, mailer = self.partners
        outside = Counterparties(
            cast(Payments, payments), cast(AdminDirectory, directory), cast(SeatProvisioning, provisioning)
        )
        mail = world.events, world.events, world.clock, cast(Mailer, mailer), "seatledger.example"
        self.work: list[tuple[MemoryWorkList, Work]] = [
            (world.todo, Fulfilment(world.events, world.events, world.clock, outside, world.receipts)),
            (world.to_send, ReceiptMail(*mail)),
            (world.to_tell, NoticeMail(*mail, NoticeTemplates(world.settings.seller))),
            (world.due, world.timers),
        ]
        self.acts: list[Callable[[], Awaitable[None]]] = [
            *[self._save_cart] * 3,
            *[self._order] * 4,
            *[self._pay] * 2,
            self._change_card,
            self._act_at_the_bank,
            self._call_off,
            self._release,
            self._refund,
            self._resend,
            self._renew,
            self._cancel_subscription,
            self._move_contact,
            self._move_abroad,
            self._restrict,
            self._move_address,
            self._decline,
            self._quote_again,
            self._close_care_entry,
            self._plan,
            *[self._wait] * 3,
            *[self._work_a_turn] * 20,
        ]

    async def live(self, acts: int = 90) -> None:
        """Let so many things happen, two at a time now and then."""
        await self.world.customer()
        for _ in range(acts):
            chosen = self.random.sample(self.acts, 2 if self.random.random() < 0.3 else 1)
            for end in await asyncio.gather(*(act() for act in chosen), return_exceptions=True):
                if isinstance(end, BaseException) and not isinstance(end, Refusal | CounterpartyError):
                    raise end

    async def settle(self) -> None:
        """Heal the partners and work until nothing but people can go on; days pass."""
        for partner in self.partners:
            partner.heal()
        for point in ("provisioning.set_seats", "payments.capture", "payments.confirm", "payments.retrieve"):
            await self.world.script.clear(point)
        for _ in range(12):
            for _ in range(12):
                self.world.clock.move(timedelta(minutes=5))
                if not await self._turn():
                    break
            self.world.clock.move(timedelta(days=3))
        ending = await self.world.the(Subscription, ASSIST)
        if ending.state is SubscriptionState.PENDING_CANCELLATION:
            self.world.clock.move(timedelta(days=(ending.term.end - self.world.clock.at.date()).days + 1))
            await self._turn()

    # --- what people do --------------------------------------------------------------------------------------------

    def _context(self, actor: Actor = ADMIN) -> CommandContext:
        return self.world.context(actor)

    async def _account(self) -> BillingAccount:
        return await self.world.the(BillingAccount, ACCOUNT)

    async def _save_cart(self) -> None:
        account = await self._account()
        lines = self.random.sample([MEETING, ASSIST], self.random.randint(1, 2))
        cart = tuple(CartLine(each, self.random.randint(1, 5)) for each in lines)
        await self.world.quoting.issue(IssueQuote(ACCOUNT, cart, account.open_quote_id), self._context())

    async def _order(self) -> None:
        open_quote = (await self._account()).open_quote_id
        if open_quote is None:
            await self._save_cart()
            open_quote = (await self._account()).open_quote_id
        assert open_quote
        ordering = self.world.ordering
        prepared = await ordering.prepare(open_quote, self._context())
        version = (await self.world.order(prepared.id)).version
        token = self.random.choice(CARDS)
        changed = await ordering.change_payment_method(prepared.id, version, token, self._context())
        if self.random.random() < 0.5:
            changed = await ordering.change_admin_contact(prepared.id, changed.version, JONAS, self._context())
        await ordering.place(self.world.placing(prepared.id, changed.version), self._context())

    async def orders(self, *states: OrderState) -> list[ServiceOrder]:
        ids = dict.fromkeys(
            each.event.originator_id
            for each in self.world.events.recorded
            if isinstance(each.event, ServiceOrder.OrderPlaced)
        )
        orders = [await self.world.order(id) for id in ids]
        return [order for order in orders if not states or order.state in states]

    async def _one(self, *states: OrderState) -> ServiceOrder | None:
        orders = await self.orders(*states)
        return self.random.choice(orders) if orders else None

    async def _pay(self) -> None:
        order = await self._one(OrderState.PAYMENT_DECLINED, OrderState.PAYMENT_ACTION_REQUIRED)
        if order:
            await self.world.ordering.pay(order.id, self._context())

    async def _change_card(self) -> None:
        order = await self._one(OrderState.PAYMENT_DECLINED, OrderState.PAYMENT_ACTION_REQUIRED)
        if order:
            token = self.random.choice(CARDS)
            await self.world.ordering.change_payment_method(order.id, order.version, token, self._context())

    async def _act_at_the_bank(self) -> None:
        order = await self._one(OrderState.PAYMENT_ACTION_REQUIRED)
        if order and order.attempt:
            intent = await self.world.payments.retrieve(order.attempt.intent_id)
            if intent.status is PaymentStatus.ACTION_REQUIRED:
                await self.world.payments.complete_action(intent.id, approve=self.random.random() < 0.7)

    async def _call_off(self) -> None:
        if order := await self._one():
            await self.world.ordering.cancel(order.id, "customer_request", self._context(CARE))

    async def _release(self) -> None:
        order = await self._one(OrderState.AUTHORISED)
        if order and order.unsettled_lines:
            line = self.random.choice(order.unsettled_lines)
            await self.world.ordering.release(order.id, line.subscription_id, self._context(CARE))

    async def _refund(self) -> None:
        if order := await self._one(OrderState.COMPLETED):
            amount = self.random.choice([None, 1, 100])
            await self.world.ordering.refund(order.id, amount, "goodwill", self._context(CARE))

    async def _resend(self) -> None:
        if order := await self._one(OrderState.COMPLETED):
            await self.world.ordering.resend_receipt(order.id, self._context())

    async def _renew(self) -> None:
        subscription = await self.world.the(Subscription, self.random.choice([MEETING, ASSIST]))
        following = subscription.term.end + timedelta(days=365)
        await self.world.renewing.renew(subscription.id, following, None, self._context(CARE))

    async def _cancel_subscription(self) -> None:
        if self.random.random() < 0.1:
            await self.world.renewing.cancel(ASSIST, "customer_request", self._context(CARE))

    async def _move_contact(self) -> None:
        domain = self.random.choice(["lindner.example", "undeliverable.example"])
        contact = Contact(name="Anna Weber", email=f"anna@{domain}")
        await self.world.accounts.change_billing_contact(ACCOUNT, contact, self._context(CARE))

    async def _move_abroad(self) -> None:
        language, zone = self.random.choice([("de", "Europe/Berlin"), ("en", "Pacific/Auckland"), ("en", "Etc/UTC")])
        await self.world.accounts.change_locale(ACCOUNT, language, zone, self._context())

    async def _move_address(self) -> None:
        address = ADDRESS.model_copy(update={"street": f"Lindenstraße {self.random.randint(1, 99)}"})
        await self.world.accounts.change_billing_address(ACCOUNT, address, self._context())

    async def _decline(self) -> None:
        if open_quote := (await self._account()).open_quote_id:
            await self.world.quoting.decline(open_quote, self._context())

    async def _quote_again(self) -> None:
        """A sales rep's quote for the seats of any quote before, or for a cart of its own."""
        issued = [each.event for each in self.world.events.recorded if isinstance(each.event, Quote.QuoteIssued)]
        open_quote = (await self._account()).open_quote_id
        if issued and self.random.random() < 0.5:
            quote = self.random.choice(issued).originator_id
            await self.world.quoting.issue_again(
                quote, open_quote, acknowledge_sales_rep_quote=self.random.random() < 0.5, context=self._context()
            )
        else:
            cart = (CartLine(MEETING, self.random.randint(1, 5), unit_price=19900),)
            command = IssueQuote(ACCOUNT, cart, open_quote, origin=QuoteOrigin.SALES_REP)
            await self.world.quoting.issue(command, self._context(REP))

    async def _close_care_entry(self) -> None:
        listed = [row for row in folded(care, self.world.events) if row.subject_kind == "ServiceOrder"]
        closable = [row for row in listed if row.care in {Care.SEATS_REJECTED, Care.RECEIPT_UNDELIVERABLE}]
        if closable:
            row = self.random.choice(closable)
            await self.world.ordering.close_care_entry(row.subject_id, row.care, self._context(CARE))

    async def _restrict(self) -> None:
        if (await self._account()).restriction:
            await self.world.accounts.allow_self_service(ACCOUNT, self._context(CARE))
        else:
            reason = RestrictionReason.PAYMENT_DISPUTE
            await self.world.accounts.restrict_self_service(ACCOUNT, reason, self._context(CARE))

    async def _plan(self) -> None:
        """Have a counterparty answer in one of the ways that only it can."""
        point, behaviour = self.random.choice(
            [
                ("provisioning.set_seats", "pending"),
                ("provisioning.set_seats", "reject"),
                ("provisioning.set_seats", "wrong"),
                ("payments.capture", "reject"),
                ("payments.capture", "wrong"),
                ("payments.confirm", "wrong"),
                ("payments.refund", "reject"),
                ("payments.create_intent", "reject"),
                ("mail.send", "reject"),
            ]
        )
        if behaviour == "wrong":
            behaviour = self.random.choice(["wrong", "other_currency", "unknown_status", "other_order"])
        await self.world.script.plan(point, "before", behaviour, times=self.random.randint(1, 3))

    async def _wait(self) -> None:
        hours = self.random.choice([0.1, 1, 1, 5, 5, 20, 20, 24, 24, 72, 24 * 7, 24 * 60])
        self.world.clock.move(timedelta(hours=hours))

    # --- workers ---------------------------------------------------------------------------------------------------

    async def _work_a_turn(self) -> None:
        await self._turn(dies=self.random.random() < 0.3)

    async def _turn(self, *, dies: bool = False) -> bool:
        """Work on what each list gives; a worker that dies does so at some await and gives nothing back."""
        worked = False
        for work_list, work in self.work:
            for claim in await work_list.claim("worker", 3, 30):
                worked = True

                async def keep(work_list: MemoryWorkList = work_list, claim: Any = claim) -> None:
                    if not await work_list.keep(claim, 30):
                        raise ClaimLost

                task = asyncio.create_task(work.carry_on(claim, keep))
                if dies:
                    for _ in range(self.random.randint(0, 40)):
                        await asyncio.sleep(0)
                    task.cancel()
                (end,) = await asyncio.gather(task, return_exceptions=True)
                if isinstance(end, Exception) and not isinstance(end, CounterpartyError | ClaimLost | VersionConflict):
                    raise end
                if not dies:
                    await work_list.release(claim, 60)
        return worked
