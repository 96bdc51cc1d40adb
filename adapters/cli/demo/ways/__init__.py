"""The ways that the demo walks, each with its steps and its checks, in the order in which they are walked."""

from collections.abc import Iterator
from typing import ClassVar, Final, Protocol

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check
from adapters.cli.demo.people import Customer
from adapters.cli.demo.stage import Stage
from adapters.cli.demo.ways.confirmed import Confirmed
from adapters.cli.demo.ways.declined import DeclinedCard
from adapters.cli.demo.ways.expired import Expired
from adapters.cli.demo.ways.in_part import InPart
from adapters.cli.demo.ways.ineligible import Ineligible
from adapters.cli.demo.ways.refunded import Refunded
from adapters.cli.demo.ways.straight import StraightWay
from adapters.cli.demo.ways.stuck import Stuck
from adapters.cli.demo.ways.superseded import Superseded
from adapters.cli.demo.ways.unknown import OutcomeUnknown


class Way(Protocol):
    """A way that was walked."""

    title: ClassVar[str]

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Whose accounts it touched; no other way touches them."""

    @classmethod
    async def walked(cls, stage: Stage) -> "Way":
        """Walk it. Raises WalkFailed."""

    def checks(self, books: Books) -> Iterator[Check]:
        """What must be true now, and for ever after."""


WAYS: Final[tuple[type[Way], ...]] = (
    StraightWay,
    Superseded,
    DeclinedCard,
    Confirmed,
    InPart,
    OutcomeUnknown,
    Ineligible,
    Refunded,
    # These two move the clock: a day and a few weeks, less than any card or term of the others lasts.
    Stuck,
    Expired,
)
