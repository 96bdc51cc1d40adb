"""A provisioning system that knows how many seats each subscription has, and which version of it said so."""

import hashlib
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from pydantic import BaseModel

from adapters.sandbox_books import SandboxBooks
from adapters.sandbox_script import Behaviour, Script
from domain.products import Product
from services.ports import CounterpartyRefused, ProvisioningResult, ProvisioningStatus

_BOOK: Final = "provisioning.subscriptions"

VERSION_SUPERSEDED: Final = "version_superseded"
SEATS_NOT_AVAILABLE: Final = "seats_not_available"


@dataclass(eq=False)
class ProvisioningRefused(CounterpartyRefused):
    """The call makes no sense: version_reused (with other seats), other_product, unknown_product, seats_invalid."""

    code: str

    def __str__(self) -> str:
        """The code alone."""
        return f"the provisioning system refused the call: {self.code}"


class SeatChangeAnswered(BaseModel):
    """A call that came for the first time, and its answer for ever."""

    version: int
    seats: int
    order_id: UUID
    external_reference: str | None
    rejection: str | None


class ProvisionedSubscription(BaseModel):
    """A subscription as the provisioning system knows it; `seats` is None until a first call was accepted."""

    subscription_id: UUID
    product: str
    seats: int | None = None
    version_seen: int = 0
    answers: list[SeatChangeAnswered] = []


class SandboxProvisioning:
    """services.ports.SeatProvisioning; what is never allowed raises ProvisioningRefused.

    A lower version than one seen is rejected with VERSION_SUPERSEDED, unless it is itself one of those seen: then it
    gets its old answer and changes nothing. A planned `reject` gives SEATS_NOT_AVAILABLE; it can be planned for one
    subscription, product or order (`provisioning.set_seats:goto_webinar`), which makes an order partial.
    """

    def __init__(self, books: SandboxBooks) -> None:
        """Keep the subscriptions in these books."""
        self._books, self._script = books, Script(books)

    async def set_seats(
        self, subscription_id: UUID, product: str, seats: int, version: int, order_id: UUID
    ) -> ProvisioningResult:
        """See services.ports.SeatProvisioning."""
        subjects = str(subscription_id), product, str(order_id)
        async with self._script.around("provisioning.set_seats", *subjects) as planned:
            if product not in set(Product):
                raise ProvisioningRefused(code="unknown_product")
            if seats < 1 or version < 1:
                raise ProvisioningRefused(code="seats_invalid")
            if planned is Behaviour.PENDING:
                return ProvisioningResult(ProvisioningStatus.PENDING)
            async with self._books.entry(_BOOK, str(subscription_id)) as document:
                if document:
                    known = ProvisionedSubscription.model_validate(document)
                else:
                    known = ProvisionedSubscription(subscription_id=subscription_id, product=product)
                if known.product != product:
                    raise ProvisioningRefused(code="other_product")
                answer = _answer(known, seats, version, order_id, reject=planned is Behaviour.REJECT)
                document.update(known.model_dump(mode="json"))
            return _misstated(_result(answer), planned)

    async def answer_to(self, subscription_id: UUID, version: int) -> ProvisioningResult | None:
        """See services.ports.SeatProvisioning."""
        async with self._script.around("provisioning.answer_to", str(subscription_id)) as planned:
            document = await self._books.read(_BOOK, str(subscription_id))
            known = ProvisionedSubscription.model_validate(document) if document else None
            answers = known.answers if known else []
            given = next((_result(answer) for answer in answers if answer.version == version), None)
            return given and _misstated(given, planned)

    async def subscriptions(self) -> list[ProvisionedSubscription]:
        """All subscriptions that were ever asked for, with every call once, in order of arrival."""
        return [ProvisionedSubscription.model_validate(document) for _, document in await self._books.list(_BOOK)]


def _result(answer: SeatChangeAnswered) -> ProvisioningResult:
    status = ProvisioningStatus.REJECTED if answer.external_reference is None else ProvisioningStatus.PROVISIONED
    seats = None if answer.external_reference is None else answer.seats
    return ProvisioningResult(status, seats, answer.external_reference, answer.rejection, answer.order_id)


def _misstated(result: ProvisioningResult, planned: Behaviour | None) -> ProvisioningResult:
    match planned:
        case Behaviour.WRONG:
            return replace(result, seats=(result.seats or 0) + 1)
        case Behaviour.UNKNOWN_STATUS:
            return replace(result, status=ProvisioningStatus.UNRECOGNISED)
        case Behaviour.OTHER_ORDER:
            return replace(result, order_id=UUID(int=0))
        case Behaviour.PENDING:
            return ProvisioningResult(ProvisioningStatus.PENDING, order_id=result.order_id)
        case _:
            return result


def _answer(
    known: ProvisionedSubscription, seats: int, version: int, order_id: UUID, *, reject: bool
) -> SeatChangeAnswered:
    for earlier in known.answers:
        if earlier.version == version:
            if (earlier.seats, earlier.order_id) != (seats, order_id):
                raise ProvisioningRefused(code="version_reused")
            return earlier
    rejection = SEATS_NOT_AVAILABLE if reject else None
    if version < known.version_seen:
        rejection = VERSION_SUPERSEDED
    digest = hashlib.sha256(f"{known.subscription_id}:{version}".encode()).hexdigest()
    answer = SeatChangeAnswered(
        version=version,
        seats=seats,
        order_id=order_id,
        external_reference=None if rejection else "prov_" + digest[:24],
        rejection=rejection,
    )
    known.answers.append(answer)
    known.version_seen = max(known.version_seen, version)
    if rejection is None:
        known.seats = seats
    return answer
