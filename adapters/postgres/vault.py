"""The vault's reading side; its writing is part of ledger.append."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.sight import seeing
from adapters.sealing import opened, sealed
from domain.personal_data import VaultReference
from services.ports import SealedRecord
from services.vault_records import VaultRecord

_READ: Final = """
SELECT id, version, kind, salt, canonical FROM ledger.vault
WHERE (id, version) IN (SELECT * FROM unnest(%s::uuid[], %s::int4[]))
"""


class PostgresVault:
    """services.ports.Vault."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        """Read through this pool."""
        self._pool = pool

    def seal(self, id: UUID, version: int, account_id: UUID, record: VaultRecord) -> SealedRecord:
        """See services.ports.Vault."""
        return sealed(id, version, account_id, record)

    async def read(self, references: Iterable[VaultReference]) -> Mapping[VaultReference, VaultRecord]:
        """See services.ports.Vault."""
        wanted = {(reference.id, reference.version): reference for reference in references}
        if not wanted:
            return {}
        keys = list(wanted)
        async with reporting_unavailability(), seeing(self._pool) as connection:
            cursor = await connection.execute(
                _READ, ([id for id, _ in keys], [version for _, version in keys]), prepare=True, binary=True
            )
            rows = await cursor.fetchall()
        return {
            wanted[id, version]: opened(wanted[id, version], kind, salt, canonical)
            for id, version, kind, salt, canonical in rows
        }
