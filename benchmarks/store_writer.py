"""A writer of `chaos store`: right appends on streams of its own, and such as must be refused among them."""

import random
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import psycopg

from adapters.appending import Append, EventRow, partition_of
from adapters.postgres.group_commit import GroupCommit
from domain.envelope import Actor, Role
from domain.personal_data import VaultReference
from services.ports import CommandContext, Position, SealedRecord, StoreUnavailable, VersionConflict

_WRONG_IN: Final = 9
"""A little more than one in ten, whatever is left over at the end."""
_SPOILT_IN: Final = 100
_ACTOR: Final = Actor("p-chaos", Role.OPERATOR)
_NOW: Final = datetime(2026, 3, 31, 12, tzinfo=UTC)
_STATE: Final = b'{"x":"' + b"x" * 350 + b'"}'


class Answer(NamedTuple):
    """One append: when it was asked for and answered (seconds, one clock for all processes), and with what.

    `first` is its first event's id; `position` its last event's, 0 if it was refused. `expected` and `found` name the
    answer: `stored`, or the error's class.
    """

    asked: float
    answered: float
    first: UUID
    events: int
    position: int
    expected: str
    found: str


class Writer:
    """Sends appends one after the other, on streams that no other writes to: what is right must be stored.

    One in nine is wrong and must be refused: a version that is past or to come, of a stream changed or unchanged, or a
    command that was done before. One in 100 is spoilt: the database fails the call that it is in.
    """

    def __init__(self, group: GroupCommit, number: int) -> None:
        """`number` among all writers: what is wrong and what is spoilt has neighbours that are not."""
        self.answers: list[Answer] = []
        self._group, self._number, self._choice = group, number, random.Random(number)
        self._versions: dict[UUID, int] = {}
        self._recent: deque[UUID] = deque(maxlen=20)
        self._done: CommandContext | None = None
        self._sealed: SealedRecord | None = None

    async def write(self, share: int, ends_at: float) -> None:
        """Until so many events are stored, or the time is over."""
        written = 0
        for number in range(1, share * 2):
            if written >= share or time.monotonic() > ends_at:
                return
            append, expected = self._right(), "stored"
            turn = number + self._number
            if turn % _SPOILT_IN == _SPOILT_IN // 2 and self._sealed:
                append, expected = replace(append, vault=(self._sealed,)), "UniqueViolation"
            elif turn % _WRONG_IN == 0 and self._recent:
                append, expected = self._wrong(append, turn // _WRONG_IN % 4), "VersionConflict"
            written += await self._send(append, expected)

    async def _send(self, append: Append, expected: str) -> int:
        """How many events were stored."""
        asked = time.monotonic()
        try:
            position, found = (await self._group.append(append)).position, "stored"
        except (VersionConflict, StoreUnavailable, psycopg.Error) as error:
            position, found = Position(0, 0), type(error).__name__
        count = len(append.events)
        self.answers.append(
            Answer(asked, time.monotonic(), append.events[0].id, count, position.position, expected, found)
        )
        if found != "stored":
            return 0
        for event in append.events:
            if event.stream not in self._versions:
                self._recent.append(event.stream)
            self._versions[event.stream] = event.version
        if append.context.idempotency_key:
            self._done = append.context
        if append.vault:
            self._sealed = append.vault[0]
        return count

    def _id(self) -> UUID:
        return UUID(int=self._choice.getrandbits(128), version=4)

    def _known(self) -> UUID:
        """One of the streams that were begun last."""
        return self._choice.choice(self._recent)

    def _right(self) -> Append:
        """One to three events of up to two streams; now and then with a key, a vault record, a stream unchanged."""
        command, account = self._id(), UUID(int=self._choice.randrange(64) << 120)
        key = str(command) if self._choice.random() < 0.5 else None
        context = CommandContext(command, _ACTOR, _NOW, command, command, None, key, command.bytes if key else None)
        streams = {self._id() if not self._versions or self._choice.random() < 0.3 else self._known() for _ in "ab"}
        guards = [(stream, self._versions.get(stream, 0)) for stream in streams]
        events = [
            EventRow(stream, version + next_, "SelfServiceAllowed.v1", _STATE, self._id(), _NOW, account,
                     partition_of(account, 12))
            for stream, version in guards
            for next_ in range(1, 1 + self._choice.choice((1, 1, 2)))
        ]  # fmt: skip
        if self._versions and (unchanged := self._known()) not in streams:
            guards.append((unchanged, self._versions[unchanged]))
        record = SealedRecord(VaultReference(self._id(), 1, "0" * 64), account, "contact", b"salt", b"{}")
        vault = (record,) if self._choice.random() < 0.2 else ()
        last = events[-1]
        return Append(context, tuple(guards), tuple(events), vault, "BillingAccount", last.stream, last.version)

    def _wrong(self, append: Append, kind: int) -> Append:
        """The append with one thing wrong."""
        if kind == 0 and self._done:
            return replace(append, context=self._done)
        known = self._known()
        version = self._versions[known] + (1 if kind == 3 else -1)
        events = [each for each in append.events if each.stream != known]
        if kind != 1 or not events:
            events.append(append.events[-1]._replace(stream=known, version=version + 1, id=self._id()))
        guards = [each for each in append.guards if each[0] != known]
        return replace(append, guards=(*guards, (known, version)), events=tuple(events))
