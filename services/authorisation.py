"""Who may do what: the one table that every entrance asks. An operation without a row is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.envelope import Actor, Role
from domain.refusals import NotBillingAdmin, NotFound, NotPermitted


class Operation(StrEnum):
    """What can be asked for."""

    VIEW_ACCOUNTS = "view_accounts"
    PREVIEW_QUOTE = "preview_quote"
    ISSUE_QUOTE = "issue_quote"
    ISSUE_SALES_REP_QUOTE = "issue_sales_rep_quote"
    DECLINE_QUOTE = "decline_quote"
    PREPARE_ORDER = "prepare_order"
    CHANGE_ORDER = "change_order"
    PLACE_ORDER = "place_order"
    VIEW_RECEIPT = "view_receipt"
    RESEND_RECEIPT = "resend_receipt"
    PAY_ORDER = "pay_order"
    CANCEL_ORDER = "cancel_order"
    REFUND_ORDER = "refund_order"
    RELEASE_SEATS = "release_seats"
    VIEW_CARE = "view_care"
    CLOSE_CARE_ENTRY = "close_care_entry"
    CHANGE_ACCOUNT = "change_account"
    CHANGE_ELIGIBILITY = "change_eligibility"
    CANCEL_SUBSCRIPTION = "cancel_subscription"
    RENEW_SUBSCRIPTION = "renew_subscription"
    OPEN_ACCOUNT = "open_account"
    MOVE_CLOCK = "move_clock"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an actor with the accounts a billing admin manages, or the territories a sales rep covers."""

    actor: Actor
    accounts: frozenset[UUID] = frozenset()
    territories: frozenset[str] = frozenset()


_EVERYBODY: Final = frozenset(Role) - {Role.SERVICE}

PERMITTED: Final[Mapping[Operation, frozenset[Role]]] = {
    Operation.VIEW_ACCOUNTS: _EVERYBODY,
    Operation.PREVIEW_QUOTE: frozenset({Role.BILLING_ADMIN, Role.SALES_REP, Role.ACCOUNT_SERVICES}),
    Operation.ISSUE_QUOTE: frozenset({Role.BILLING_ADMIN}),
    Operation.ISSUE_SALES_REP_QUOTE: frozenset({Role.SALES_REP}),
    Operation.DECLINE_QUOTE: frozenset({Role.BILLING_ADMIN, Role.SALES_REP, Role.ACCOUNT_SERVICES}),
    Operation.PREPARE_ORDER: frozenset({Role.BILLING_ADMIN}),
    Operation.CHANGE_ORDER: frozenset({Role.BILLING_ADMIN}),
    Operation.PLACE_ORDER: frozenset({Role.BILLING_ADMIN}),
    Operation.VIEW_RECEIPT: frozenset({Role.BILLING_ADMIN, Role.ACCOUNT_SERVICES, Role.FINANCE, Role.INVESTIGATOR}),
    Operation.RESEND_RECEIPT: frozenset({Role.BILLING_ADMIN, Role.ACCOUNT_SERVICES}),
    Operation.PAY_ORDER: frozenset({Role.BILLING_ADMIN}),
    Operation.CANCEL_ORDER: frozenset({Role.ACCOUNT_SERVICES}),
    Operation.REFUND_ORDER: frozenset({Role.ACCOUNT_SERVICES, Role.FINANCE}),
    Operation.RELEASE_SEATS: frozenset({Role.ACCOUNT_SERVICES}),
    Operation.VIEW_CARE: frozenset({Role.ACCOUNT_SERVICES, Role.OPERATOR}),
    Operation.CLOSE_CARE_ENTRY: frozenset({Role.ACCOUNT_SERVICES}),
    Operation.CHANGE_ACCOUNT: frozenset({Role.BILLING_ADMIN, Role.ACCOUNT_SERVICES}),
    Operation.CHANGE_ELIGIBILITY: frozenset({Role.ACCOUNT_SERVICES}),
    Operation.CANCEL_SUBSCRIPTION: frozenset({Role.ACCOUNT_SERVICES}),
    Operation.RENEW_SUBSCRIPTION: frozenset({Role.ACCOUNT_SERVICES, Role.SALES_REP}),
    Operation.OPEN_ACCOUNT: frozenset({Role.OPERATOR}),
    Operation.MOVE_CLOCK: frozenset({Role.OPERATOR}),
}
"""Which roles may ask for an operation, on the accounts that they can see."""


def must_be_permitted(caller: Caller, operation: Operation) -> None:
    """Raise NotPermitted unless the role may ask for this at all."""
    if caller.actor.role not in PERMITTED.get(operation, frozenset()):
        raise NotPermitted(operation=operation, role=caller.actor.role)


def must_see(caller: Caller, account_id: UUID, territory: str | None) -> None:
    """Raise NotFound unless the account exists for this caller; `territory` is the account's, None if it is unknown."""
    match caller.actor.role:
        case Role.BILLING_ADMIN:
            visible = account_id in caller.accounts
        case Role.SALES_REP:
            visible = territory in caller.territories
        case _:
            visible = True
    if not visible:
        raise NotFound(kind="BillingAccount", id=account_id)


def must_be_permitted_on(caller: Caller, operation: Operation, account_id: UUID, territory: str | None) -> None:
    """Raise NotFound for an account that the caller can't see, else NotBillingAdmin or NotPermitted."""
    must_see(caller, account_id, territory)
    permitted = PERMITTED.get(operation, frozenset())
    if caller.actor.role not in permitted:
        if Role.BILLING_ADMIN in permitted:
            raise NotBillingAdmin(account_id=account_id)
        raise NotPermitted(operation=operation, role=caller.actor.role)
