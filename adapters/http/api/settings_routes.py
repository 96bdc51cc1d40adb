"""What an account and its subscriptions are set to, and who may change that."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from adapters.http.api.answers import (
    PROBLEMS,
    IfMatch,
    Key,
    OptionalKey,
    account_answer,
    subscription_answer,
    version_of,
)
from adapters.http.api.bodies import (
    BillingAddressBody,
    BillingContactBody,
    CancelSubscriptionBody,
    EligibilityBody,
    LocaleBody,
    PaymentMethodBody,
    RenewBody,
)
from adapters.http.api.representations import AccountView, SubscriptionView
from adapters.http.callers import AskedRoute, Command, Permission, Permitted, TheLedger, asks, carried_out
from adapters.ledger import Ledger
from services.authorisation import Operation
from services.ports import CommandContext, Outcome

account_settings = APIRouter(prefix="/v1", responses=PROBLEMS, tags=["accounts"], route_class=AskedRoute)


async def _set(
    request: Request,
    ledger: Ledger,
    permission: Permission,
    key: str | None,
    execute: Command,
) -> Response:
    return await account_answer(ledger, await carried_out(request, ledger, permission, key, execute))


@account_settings.put(
    "/accounts/{account_id}/payment-method", response_model=AccountView, openapi_extra=asks(Operation.CHANGE_ACCOUNT)
)
async def select_payment_method(
    account_id: UUID,
    body: PaymentMethodBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Pay with another card from now on; an order under way keeps its own."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.accounts.select_payment_method(account_id, body.token, context, version_of(if_match))

    return await _set(request, ledger, permission, key, execute)


@account_settings.put(
    "/accounts/{account_id}/billing-contact", response_model=AccountView, openapi_extra=asks(Operation.CHANGE_ACCOUNT)
)
async def change_account_contact(
    account_id: UUID,
    body: BillingContactBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Send receipts and notices to another person from now on."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.accounts.change_billing_contact(account_id, body.contact, context, version_of(if_match))

    return await _set(request, ledger, permission, key, execute)


@account_settings.put(
    "/accounts/{account_id}/billing-address", response_model=AccountView, openapi_extra=asks(Operation.CHANGE_ACCOUNT)
)
async def change_account_address(
    account_id: UUID,
    body: BillingAddressBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Bill to another address from now on. Another country means another tax: an open quote must be issued again."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.accounts.change_billing_address(account_id, body.address, context, version_of(if_match))

    return await _set(request, ledger, permission, key, execute)


@account_settings.put(
    "/accounts/{account_id}/locale", response_model=AccountView, openapi_extra=asks(Operation.CHANGE_ACCOUNT)
)
async def change_account_locale(
    account_id: UUID,
    body: LocaleBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Write in another language and count days in another zone, from the next quote on."""

    async def execute(context: CommandContext) -> Outcome:
        version = version_of(if_match)
        return await ledger.accounts.change_locale(account_id, body.language, body.time_zone, context, version)

    return await _set(request, ledger, permission, key, execute)


@account_settings.put(
    "/accounts/{account_id}/eligibility", response_model=AccountView, openapi_extra=asks(Operation.CHANGE_ELIGIBILITY)
)
async def change_eligibility(
    account_id: UUID,
    body: EligibilityBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Let the account help itself, or send it to Corporate Account Services for this reason."""

    async def execute(context: CommandContext) -> Outcome:
        version = version_of(if_match)
        if body.restriction is None:
            return await ledger.accounts.allow_self_service(account_id, context, version)
        return await ledger.accounts.restrict_self_service(account_id, body.restriction, context, version)

    return await _set(request, ledger, permission, key, execute)


@account_settings.post(
    "/subscriptions/{subscription_id}/cancel",
    response_model=SubscriptionView,
    openapi_extra=asks(Operation.CANCEL_SUBSCRIPTION),
)
async def cancel_subscription(
    subscription_id: UUID,
    body: CancelSubscriptionBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    key: Key,
) -> Response:
    """Let the subscription end with its term; an open quote on it expires at once."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.renewing.cancel(subscription_id, body.reason.value, context)

    return await subscription_answer(ledger, await carried_out(request, ledger, permission, key, execute))


@account_settings.post(
    "/subscriptions/{subscription_id}/renew",
    response_model=SubscriptionView,
    openapi_extra=asks(Operation.RENEW_SUBSCRIPTION),
)
async def renew_subscription(
    subscription_id: UUID, body: RenewBody, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Begin the term after the present one; an open quote on the subscription expires at once."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.renewing.renew(subscription_id, body.term_end, body.unit_price, context)

    return await subscription_answer(ledger, await carried_out(request, ledger, permission, key, execute))
