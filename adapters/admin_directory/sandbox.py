"""An Admin Center that keeps its own list of admins and of the products that each has a seat of."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import BaseModel

from adapters.sandbox_books import SandboxBooks
from adapters.sandbox_script import Behaviour, Script
from domain.products import Product
from services.ports import AssignedAdmin, CounterpartyRefused
from services.vault_records import Contact

_BOOK: Final = "admin_directory.admins"


@dataclass(eq=False)
class AdminRefused(CounterpartyRefused):
    """The Admin Center refused the request; `code` says why: unknown_admin, unknown_product, forbidden."""

    code: str

    def __str__(self) -> str:
        """The code alone: an admin's name and address are nobody else's business."""
        return f"the Admin Center refused the request: {self.code}"


class SandboxAdmin(BaseModel):
    """An admin as the Admin Center knows him; `email` as it was first given."""

    external_reference: str
    name: str
    email: str
    phone: str | None
    accounts: list[UUID]
    products: list[str]


class SandboxAdminDirectory:
    """services.ports.AdminDirectory; what is never allowed raises AdminRefused."""

    def __init__(self, books: SandboxBooks) -> None:
        """Keep the admins in these books."""
        self._books, self._script = books, Script(books)

    async def ensure_admin(self, account_id: UUID, contact: Contact) -> AssignedAdmin:
        """See services.ports.AdminDirectory. Upper and lower case make no other address; what is missing is added."""
        email = contact.email.strip()
        reference = "adm_" + hashlib.sha256(email.casefold().encode()).hexdigest()[:24]
        async with self._script.around("admin_directory.ensure_admin", reference, str(account_id)) as planned:
            if planned is Behaviour.REJECT:
                raise AdminRefused(code="forbidden")
            async with self._books.entry(_BOOK, reference) as document:
                created = not document
                if created:
                    admin = SandboxAdmin(
                        external_reference=reference,
                        name=contact.name,
                        email=email,
                        phone=contact.phone,
                        accounts=[account_id],
                        products=[],
                    )
                else:
                    admin = SandboxAdmin.model_validate(document)
                    admin.phone = admin.phone or contact.phone
                    if account_id not in admin.accounts:
                        admin.accounts.append(account_id)
                document.update(admin.model_dump(mode="json"))
            return AssignedAdmin(external_reference=reference, created=created)

    async def ensure_seats(self, external_reference: str, products: Sequence[str]) -> tuple[str, ...]:
        """See services.ports.AdminDirectory. All products or, with AdminRefused, none."""
        async with self._script.around("admin_directory.ensure_seats", external_reference) as planned:
            if planned is Behaviour.REJECT:
                raise AdminRefused(code="forbidden")
            if not set(products) <= set(Product):
                raise AdminRefused(code="unknown_product")
            async with self._books.entry(_BOOK, external_reference) as document:
                if not document:
                    raise AdminRefused(code="unknown_admin")
                admin = SandboxAdmin.model_validate(document)
                given = tuple(product for product in dict.fromkeys(map(str, products)) if product not in admin.products)
                admin.products.extend(given)
                document.update(admin.model_dump(mode="json"))
            return (*given, "another_product") if planned is Behaviour.WRONG else given

    async def admins(self) -> list[SandboxAdmin]:
        """All admins, in the order in which they came to be."""
        return [SandboxAdmin.model_validate(document) for _, document in await self._books.list(_BOOK)]
