"""The row that every to-do list has: what is to be worked on, for whom, and which event asked for it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.envelope import Recorded
from domain.identifiers import work_id


@dataclass(frozen=True, slots=True)
class TodoRow:
    """An entry of a to-do list. `entry_id` is made from subject and work, so a rebuilt list has the same.

    `due_at`: nobody takes it before that instant of business time; None: it can be taken at once.
    """

    entry_id: UUID
    work: str
    subject_id: UUID
    account_id: UUID
    correlation_id: UUID
    causation_id: UUID
    position: int
    since: datetime
    due_at: datetime | None


def entry(work: str, recorded: Recorded, due_at: datetime | None = None) -> TodoRow:
    """The entry that this event asks for, on the event's own stream."""
    subject = recorded.event.originator_id
    return TodoRow(
        entry_id=work_id(subject, work),
        work=work,
        subject_id=subject,
        account_id=recorded.account_id,
        correlation_id=recorded.correlation_id,
        causation_id=recorded.event_id,
        position=recorded.position,
        since=recorded.event.timestamp,
        due_at=due_at,
    )
