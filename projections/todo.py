"""The row that every to-do list has: what is to be worked on, for whom, and which event asked for it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.envelope import Recorded


@dataclass(frozen=True, slots=True)
class TodoRow:
    """An entry of a to-do list. `entry_id` is made from the subject and the work, so a rebuilt list has the same."""

    entry_id: UUID
    subject_id: UUID
    account_id: UUID
    correlation_id: UUID
    causation_id: UUID
    position: int
    since: datetime


def entry(entry_id: UUID, recorded: Recorded) -> TodoRow:
    """The entry that this event asks for, on the event's own stream."""
    return TodoRow(
        entry_id=entry_id,
        subject_id=recorded.event.originator_id,
        account_id=recorded.account_id,
        correlation_id=recorded.correlation_id,
        causation_id=recorded.event_id,
        position=recorded.position,
        since=recorded.event.timestamp,
    )
