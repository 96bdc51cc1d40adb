"""Who calls, whether he may, and the context of his command: what every route asks before it does anything."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID, uuid4

from fastapi import Depends, Header, HTTPException, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from adapters.http.api.bodies import PositionToken
from adapters.http.rates import network_of
from adapters.http.unknown_at_first import seen_by
from adapters.identity.tokens import TokenRefused
from adapters.ledger import Ledger
from adapters.postgres.sight import seen, these_accounts
from domain.account import BillingAccount
from domain.card_numbers import contains_card_number
from domain.identifiers import command_id
from domain.refusals import CardNumberRefused, CommandInProgress, NotFound
from services.authorisation import SEES, Caller, Operation, Sight, must_be_permitted, must_be_permitted_on
from services.ports import CommandContext, Outcome, Position

_bearer = HTTPBearer(auto_error=False, description="a token of the identity provider")

Command = Callable[[CommandContext], Awaitable[Outcome]]
"""What a route carries out, in the context of whoever called it."""

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
    """Who calls; raises TokenRefused, IdentityUnavailable or TooManyRequests."""
    ledger = _ledger(request)
    try:
        caller = await _told_by(ledger, credentials)
    except TokenRefused:
        ledger.refused_rate.take(network_of(request.client.host if request.client else ""))
        raise
    ledger.caller_rate.take(caller.actor.id)
    seen.set(seen_by(caller))
    return caller


async def _told_by(ledger: Ledger, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    if credentials is None:
        raise TokenRefused(reason="none was sent")
    return await ledger.tokens.caller(credentials.credentials)


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


_ACCOUNT: Final = "BillingAccount"
_SUBJECTS: Final = {
    "account_id": _ACCOUNT,
    "quote_id": "Quote",
    "order_id": "ServiceOrder",
    "subscription_id": "Subscription",
}
_NO_ACCOUNT: Final = UUID(int=0)
_OPERATIONS: Final = "x-operations"


@dataclass(frozen=True, slots=True)
class Permission:
    """Who calls, and the account that the request is about: of the path itself, or of its quote, order, subscription.

    Where the path names none, `account_id` is zero.
    """

    caller: Caller
    account_id: UUID


def asks(*operations: Operation) -> dict[str, Any]:
    """What a route writes down as its `openapi_extra`: its rows of the table. One that permits is enough."""
    return {_OPERATIONS: [operation.value for operation in operations]}


async def permission_of(
    request: Request, ledger: Ledger, caller: Caller, territory_of: Callable[[UUID], Awaitable[str | None]]
) -> Permission:
    """Ask the table for the route that was called. Raises NotFound, NotBillingAdmin or NotPermitted.

    Another tenant's id gets the same answer as one that nobody has. `territory_of` an account is asked only where the
    role's sight goes by it.
    """
    asked = [Operation(each) for each in request.scope["route"].openapi_extra[_OPERATIONS]]
    named = [(kind, request.path_params[name]) for name, kind in _SUBJECTS.items() if name in request.path_params]
    if not named:
        must_be_permitted(caller, *asked)
        return Permission(caller, _NO_ACCOUNT)
    [(kind, text)] = named
    try:
        id = UUID(text)
    except ValueError:
        raise HTTPException(404) from None
    account_id = id if kind == _ACCOUNT else await ledger.events.account_of(id)
    if account_id is None:
        raise NotFound(kind=kind, id=id)
    try:
        named_for_it = SEES[caller.actor.role] is Sight.NAMED
        must_be_permitted_on(caller, account_id, None if named_for_it else await territory_of(account_id), *asked)
    except NotFound:
        raise NotFound(kind=kind, id=id) from None
    seen.set(these_accounts(account_id))  # whoever may see more asked about this one
    return Permission(caller, account_id)


async def permitted(request: Request, ledger: TheLedger, caller: TheCaller) -> Permission:
    """What the bearer of the token may do on the route that he called: see `permission_of`."""

    async def territory(account_id: UUID) -> str:
        # From the store: commands go on while the read models are away.
        return (await ledger.events.load(account_id)).require(BillingAccount, account_id).territory

    return await permission_of(request, ledger, caller, territory)


Permitted = Annotated[Permission, Depends(permitted)]


class AskedRoute(APIRoute):
    """A route that asks the table before its handler runs; one without a row there can't be made."""

    asking: ClassVar[Callable[..., Awaitable[Any]]] = staticmethod(permitted)
    """The dependency that asks, for whoever can call this kind of route."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **described: Any) -> None:
        """See APIRoute. Raises TypeError without `openapi_extra=asks(...)`."""
        if not (described.get("openapi_extra") or {}).get(_OPERATIONS):
            message = f"{path}: say with openapi_extra=asks(...) which operations of the table this is"
            raise TypeError(message)
        # Last, so that what a query waits for is there by then.
        described["dependencies"] = [*(described.get("dependencies") or ()), Depends(self.asking)]
        super().__init__(path, endpoint, **described)


async def looked_at(
    ledger: Ledger, permission: Permission, operation: Operation, kind: str, subjects: Iterable[tuple[UUID, UUID]]
) -> None:
    """Note that somebody is shown personal data of these subjects, each with its account, before he is."""
    await ledger.access_log.looked(permission.caller.actor, operation.value, kind, subjects)


async def carried_out(
    request: Request,
    ledger: Ledger,
    permission: Permission,
    key: str | None,
    command: Command,
) -> Outcome:
    """What comes of the command; with the same key again what came of it then.

    Raises CommandInProgress while the first with this key runs here.
    """
    if key is not None and contains_card_number(key):
        raise CardNumberRefused(field="Idempotency-Key")
    actor = permission.caller.actor
    id = uuid4() if key is None else command_id(permission.account_id, actor.id, key)
    context = CommandContext(
        command_id=id,
        actor=actor,
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
