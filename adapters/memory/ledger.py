"""Event store, vault and log in one process's memory, with the same rules as PostgreSQL's."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from adapters.appending import LoadedStreams, partition_of, prepared_append, same_request
from adapters.event_mapping import decoded
from adapters.sealing import opened, sealed
from domain.envelope import Recorded
from domain.ledger import LedgerAggregate
from domain.personal_data import VaultReference
from services.ports import CommandContext, Outcome, Position, SealedRecord, VersionConflict
from services.vault_records import VaultRecord


class MemoryLedger:
    """services.ports.EventStore and Vault. `recorded_at` stamps what is appended."""

    def __init__(self, recorded_at: Callable[[], datetime], partitions: int = 12) -> None:
        """Begin empty."""
        self._recorded_at, self._partitions = recorded_at, partitions
        self._records: list[Recorded] = []
        self._ends: dict[int, int] = {}
        self._streams: dict[UUID, list[tuple[str, bytes]]] = {}
        self._commands: dict[UUID, tuple[bytes, Outcome]] = {}
        self._vault: dict[tuple[UUID, int], SealedRecord] = {}

    @property
    def recorded(self) -> tuple[Recorded, ...]:
        """The whole log, in order."""
        return tuple(self._records)

    def recorded_after(self, position: int) -> Sequence[Recorded]:
        """The log past this position."""
        return self._records[position:]

    async def load(self, *ids: UUID, context: CommandContext | None = None) -> LoadedStreams:
        """See services.ports.EventStore."""
        await asyncio.sleep(0)  # as with a server, others may come in between
        done = None
        if context and context.command_id in self._commands:
            fingerprint, done = self._commands[context.command_id]
            same_request(context, fingerprint)
        streams = {id: [decoded(*stored) for stored in self._streams[id]] for id in ids if id in self._streams}
        return LoadedStreams(streams, done)

    async def append(
        self,
        *aggregates: LedgerAggregate,
        context: CommandContext,
        unchanged: Sequence[LedgerAggregate | UUID] = (),
        vault: Sequence[SealedRecord] = (),
        result: LedgerAggregate | None = None,
    ) -> Outcome:
        """See services.ports.EventStore."""
        subject = result or aggregates[0]
        append = prepared_append(aggregates, context, unchanged, vault, subject, self._partitions)
        await asyncio.sleep(0)
        if any(len(self._streams.get(stream, ())) != version for stream, version in append.guards):
            raise VersionConflict
        if context.idempotency_key is not None and context.command_id in self._commands:
            raise VersionConflict
        for row in append.events:
            self._streams.setdefault(row.stream, []).append((row.topic, row.state))
            previous = self._ends.get(row.partition, 0)
            self._ends[row.partition] = len(self._records) + 1
            self._records.append(
                Recorded(
                    position=len(self._records) + 1,
                    partition=row.partition,
                    previous=previous,
                    event_id=row.id,
                    account_id=row.account_id,
                    recorded_at=self._recorded_at(),
                    actor=context.actor,
                    on_behalf_of=context.on_behalf_of,
                    correlation_id=context.correlation_id,
                    causation_id=context.causation_id,
                    idempotency_key=context.idempotency_key,
                    event=decoded(row.topic, row.state),
                )
            )
        self._vault.update({(r.reference.id, r.reference.version): r for r in append.vault})
        partition = partition_of(subject.account_id, self._partitions)
        ended = Position(len(self._records), append.events[-1].partition) if append.events else Position(0, partition)
        outcome = Outcome(append.result_kind, append.result_id, append.result_version, ended)
        if append.events and context.idempotency_key is not None and context.fingerprint is not None:
            self._commands[context.command_id] = (context.fingerprint, outcome)
        return outcome

    async def version_of(self, id: UUID) -> int:
        """See services.ports.EventStore."""
        return len(self._streams.get(id, ()))

    async def account_of(self, id: UUID) -> UUID | None:
        """See services.ports.EventStore."""
        return next((each.account_id for each in self._records if each.event.originator_id == id), None)

    def seal(self, id: UUID, version: int, account_id: UUID, record: VaultRecord) -> SealedRecord:
        """See services.ports.Vault."""
        return sealed(id, version, account_id, record)

    async def read(self, references: Iterable[VaultReference]) -> Mapping[VaultReference, VaultRecord]:
        """See services.ports.Vault."""
        found = {reference: self._vault.get((reference.id, reference.version)) for reference in references}
        return {
            reference: opened(reference, record.kind, record.salt, record.canonical)
            for reference, record in found.items()
            if record
        }

    def erase(self, reference: VaultReference) -> None:
        """Forget a record of the vault; its reference and digest stay in the events."""
        del self._vault[reference.id, reference.version]
