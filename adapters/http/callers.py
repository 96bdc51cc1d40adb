"""Who calls, whether he may, and the context of his command: what every route asks before it does anything."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from adapters.http.api.bodies import PositionToken
from adapters.identity.tokens import TokenRefused
from adapters.ledger import Ledger
from domain.card_numbers import contains_card_number
from domain.envelope import Role
from domain.identifiers import command_id
from domain.refusals import CardNumberRefused, CommandInProgress, NotFound
from services.authorisation import Caller, Operation, must_be_permitted_on
from services.ports import CommandContext, Outcome, Position

_bearer = HTTPBearer(auto_error=False, description="a token of the identity provider")

WAIT_SECONDS = 5.0
"""How long a query waits for the position that it names."""


async def ledger_of(request: Request) -> Ledger:
    """The application's ledger; a coroutine, because FastAPI runs any other function in a thread."""
    return _ledger(request)


def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.ledger
    return ledger


async def caller_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """Who calls; raises TokenRefused."""
    if credentials is None:
        raise TokenRefused(reason="none was sent")
    return await _ledger(request).tokens.caller(credentials.credentials)


TheLedger = Annotated[Ledger, Depends(ledger_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]


async def wait_for_position(
    ledger: TheLedger,
    _: TheCaller,  # nobody unknown may make the server wait
    wait_for: Annotated[
        PositionToken | None,
        Header(alias="Seatledger-Wait-For", description="a Seatledger-Position: answer once it is visible"),
    ] = None,
) -> None:
    """Wait for the position that the query names; raises NotThatFar."""
    if wait_for:
        partition, position = (int(part) for part in wait_for.split("."))
        await ledger.queries.reached(Position(position, partition), WAIT_SECONDS)


async def permitted_account(ledger: Ledger, caller: Caller, operation: Operation, account_id: UUID) -> None:
    """Raise NotFound, NotBillingAdmin or NotPermitted unless the caller may do this on this account."""
    territory = None
    if caller.actor.role is not Role.BILLING_ADMIN:
        row = await ledger.queries.account(account_id)
        if row is None:
            raise NotFound(kind="BillingAccount", id=account_id)
        territory = row.territory
    must_be_permitted_on(caller, operation, account_id, territory)


async def permitted_subject(ledger: Ledger, caller: Caller, operation: Operation, kind: str, id: UUID) -> UUID:
    """The account that the quote or order belongs to, if the caller may do this on it.

    Another tenant's id gets the same answer as one that nobody has.
    """
    account_id = await ledger.events.account_of(id)
    if account_id is None:
        raise NotFound(kind=kind, id=id)
    try:
        await permitted_account(ledger, caller, operation, account_id)
    except NotFound:
        raise NotFound(kind=kind, id=id) from None
    return account_id


async def carried_out(
    request: Request,
    ledger: Ledger,
    caller: Caller,
    account_id: UUID,
    key: str | None,
    command: Callable[[CommandContext], Awaitable[Outcome]],
) -> Outcome:
    """What comes of the command; with the same key again what came of it then.

    Raises CommandInProgress while the first with this key runs here.
    """
    if key is not None and contains_card_number(key):
        raise CardNumberRefused(field="Idempotency-Key")
    id = uuid4() if key is None else command_id(account_id, caller.actor.id, key)
    context = CommandContext(
        command_id=id,
        actor=caller.actor,
        now=await ledger.clock.now(),
        correlation_id=id,
        causation_id=id,
        idempotency_key=key,
        fingerprint=None if key is None else await _fingerprint(request),
    )
    if id in ledger.running_commands:
        raise CommandInProgress
    ledger.running_commands.add(id)
    try:
        return await command(context)
    finally:
        ledger.running_commands.discard(id)


async def _fingerprint(request: Request) -> bytes:
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
    digest.update(await request.body())
    return digest.digest()
