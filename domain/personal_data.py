"""How an event points at personal data in the vault, and how the pointer proves what was there."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class VaultReference:
    """A version of a vault record; `digest` is hex SHA-256(salt || canonical data), the salt being in the vault."""

    id: UUID
    version: int
    digest: str


class PaymentMethodKind(StrEnum):
    """What counts as an automatic payment method."""

    CREDIT_CARD = "credit_card"
    DEBIT_CARD = "debit_card"


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A card as far as an event may know it; the gateway's token is in the vault at `token`."""

    token: VaultReference
    kind: PaymentMethodKind
    brand: str
    last_four: str
    expiry_year: int
    expiry_month: int

    def expired(self, year: int, month: int) -> bool:
        """Whether the card's last month lies before this one."""
        return (self.expiry_year, self.expiry_month) < (year, month)


def sealed_digest(salt: bytes, canonical: bytes) -> str:
    """The digest that an event keeps of a vault record.

    >>> sealed_digest(b"salt", b"{}")[:16]
    'd7c765b399c3a699'
    """
    return hashlib.sha256(salt + canonical).hexdigest()
