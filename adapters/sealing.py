"""Seals personal data so that its reference proves what it was, and opens it only if that still holds."""

import secrets
from typing import Final
from uuid import UUID

from domain.personal_data import VaultReference, sealed_digest
from services import vault_records
from services.ports import SealedRecord
from services.vault_records import VaultRecord

_RECORDS: Final[dict[str, type[VaultRecord]]] = {
    record.KIND: record
    for record in vars(vault_records).values()
    if isinstance(record, type) and issubclass(record, VaultRecord) and record is not VaultRecord
}


def sealed(id: UUID, version: int, account_id: UUID, record: VaultRecord) -> SealedRecord:
    """Salt and digest a record, so that its reference proves what it was."""
    salt, canonical = secrets.token_bytes(16), record.canonical()
    reference = VaultReference(id, version, sealed_digest(salt, canonical))
    return SealedRecord(reference, account_id, record.KIND, salt, canonical)


def opened(reference: VaultReference, kind: str, salt: bytes, canonical: bytes) -> VaultRecord:
    """The record; raises ValueError if it is not what the reference's digest was made of."""
    if sealed_digest(salt, canonical) != reference.digest:
        message = f"the vault's record {reference.id} version {reference.version} does not match its digest"
        raise ValueError(message)
    return _RECORDS[kind].model_validate_json(canonical)
