"""What the ledger's aggregates have in common: typed events with stored names, and the account each belongs to."""

from typing import ClassVar
from uuid import UUID

from eventsourcing.domain import Aggregate, CanMutateAggregate
from pydantic import ConfigDict

from domain.refusals import StaleVersion

LedgerEvent = CanMutateAggregate[UUID]
"""Any event of any stream: a frozen dataclass with originator_id, originator_version and timestamp."""


class LedgerAggregate(Aggregate):
    """An aggregate whose events all stand in an account's history.

    An event class names itself for ever with TOPIC, `Name.v1`; its `timestamp` is business time.
    """

    TOPIC: ClassVar[str]
    account_id: UUID

    class Event(Aggregate.Event):
        """A past fact. A stored field that this version does not know is an error, not noise."""

        TOPIC: ClassVar[str]
        __pydantic_config__ = ConfigDict(extra="forbid")

    class Created(Event, Aggregate.Created):
        """The first fact of a stream."""

    def must_be_at(self, version: int) -> None:
        """Raise StaleVersion unless the aggregate is at the version that somebody decided on."""
        if self.version != version:
            raise StaleVersion(expected=version, actual=self.version)

    def account_of(self, event: LedgerEvent) -> UUID:
        """The account in whose history the event stands; it decides the log's partition."""
        return self.account_id
