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
    RETRY_WORK = "retry_work"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an actor with the accounts that were named for it, or the territories that a sales rep covers."""

    actor: Actor
    accounts: frozenset[UUID] = frozenset()
    territories: frozenset[str] = frozenset()


class Sight(StrEnum):
    """Which accounts a role can see; any other does not exist for it."""

    NAMED = "named"
    TERRITORY = "territory"
    ALL = "all"


SEES: Final[Mapping[Role, Sight]] = {
    Role.BILLING_ADMIN: Sight.NAMED,
    Role.SALES_REP: Sight.TERRITORY,
    Role.ACCOUNT_SERVICES: Sight.ALL,
    Role.FINANCE: Sight.ALL,
    Role.INVESTIGATOR: Sight.ALL,
    Role.OPERATOR: Sight.ALL,
    Role.SERVICE: Sight.NAMED,  # another company's program is told which accounts are its own
}

_EVERYBODY: Final = frozenset(Role)

PERMITTED: Final[Mapping[Operation, frozenset[Role]]] = {
    Operation.VIEW_ACCOUNTS: _EVERYBODY,
    Operation.PREVIEW_QUOTE: frozenset({Role.BILLING_ADMIN, Role.SALES_REP, Role.ACCOUNT_SERVICES, Role.SERVICE}),
    Operation.ISSUE_QUOTE: frozenset({Role.BILLING_ADMIN}),
    Operation.ISSUE_SALES_REP_QUOTE: frozenset({Role.SALES_REP}),
    Operation.DECLINE_QUOTE: frozenset({Role.BILLING_ADMIN, Role.SALES_REP, Role.ACCOUNT_SERVICES}),
    Operation.PREPARE_ORDER: frozenset({Role.BILLING_ADMIN}),
    Operation.CHANGE_ORDER: frozenset({Role.BILLING_ADMIN}),
    Operation.PLACE_ORDER: frozenset({Role.BILLING_ADMIN}),
    Operation.VIEW_RECEIPT: frozenset(
        {Role.BILLING_ADMIN, Role.ACCOUNT_SERVICES, Role.FINANCE, Role.INVESTIGATOR, Role.SERVICE}
    ),
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
    Operation.RETRY_WORK: frozenset({Role.ACCOUNT_SERVICES, Role.OPERATOR}),
    Operation.OPERATE: frozenset({Role.OPERATOR}),
}
"""Which roles may ask for an operation, on the accounts that they can see."""


def must_be_permitted(caller: Caller, *operations: Operation) -> None:
    """Raise NotPermitted unless the role may ask for one of these at all."""
    if not any(caller.actor.role in PERMITTED.get(operation, ()) for operation in operations):
        raise NotPermitted(operation=" or ".join(operations) or "nothing", role=caller.actor.role)


def must_see(caller: Caller, account_id: UUID, territory: str | None) -> None:
    """Raise NotFound unless the account exists for this caller; `territory` is the account's, None if it is unknown."""
    match SEES[caller.actor.role]:
        case Sight.NAMED:
            visible = account_id in caller.accounts
        case Sight.TERRITORY:
            visible = territory in caller.territories
        case _:
            visible = True
    if not visible:
        raise NotFound(kind="BillingAccount", id=account_id)


def must_be_permitted_on(caller: Caller, account_id: UUID, territory: str | None, *operations: Operation) -> None:
    """Raise NotFound for an account that the caller can't see, else NotBillingAdmin or NotPermitted."""
    must_see(caller, account_id, territory)
    try:
        must_be_permitted(caller, *operations)
    except NotPermitted:
        if any(Role.BILLING_ADMIN in PERMITTED.get(operation, ()) for operation in operations):
            raise NotBillingAdmin(account_id=account_id) from None
        raise
