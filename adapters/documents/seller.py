"""The company that sells, as its documents name it."""

from dataclasses import dataclass

from services.vault_records import Address


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the receipt; `country` ISO 3166, `register` the court or office and the number there."""

    name: str
    street: str
    postal_code: str
    city: str
    country: str
    vat_id: str
    register: str
    email: str
    website: str

    @property
    def address(self) -> Address:
        """Where the seller sits."""
        return Address(street=self.street, postal_code=self.postal_code, city=self.city, country=self.country)
