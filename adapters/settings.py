"""All settings, from the environment, each with its plain error."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.documents.seller import Seller
from domain.quote import QuotingRules

TERMS_VERSION: Final = "2026-01"


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one plain line that names it."""


class Settings(BaseSettings):
    """What the environment says. Secrets are never shown by repr or log."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(default=None, description="PostgreSQL as the application; none: embedded")
    database_owner_url: SecretStr | None = Field(default=None, description="PostgreSQL as a role that may migrate")
    data_folder: Path = Field(default=Path(".seatledger"), description="where the embedded server keeps its data")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(default=12, description="fixed at the first start")
    sandbox: bool = Field(default=False, description="work with the sandbox counterparties and identity provider")
    movable_clock: bool = Field(default=True, description="an operator may move business time; only with the sandbox")
    database_connections: Annotated[int, Field(ge=2, le=1000)] = 10
    append_queue: Annotated[int, Field(ge=1)] = Field(default=10_000, description="appends that may wait")
    read_queue: Annotated[int, Field(ge=1)] = Field(default=1_000, description="queries that may wait for a connection")
    body_bytes: Annotated[int, Field(ge=1024)] = Field(default=256 * 1024, description="largest request body")
    workers_at_once: Annotated[int, Field(ge=1, le=1000)] = 8
    terms_version: str = TERMS_VERSION
    quote_valid_days: Annotated[int, Field(ge=1, le=365)] = 30
    seats_at_most: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=10_000, description="seats a line may add")
    seller_id: Annotated[str, Field(pattern=r"^[A-Z0-9-]{1,16}$")] = "SL-DE"
    seller_name: str = "Seatledger GmbH"
    seller_street: str = "Invalidenstraße 117"
    seller_postal_code: str = "10115"
    seller_city: str = "Berlin"
    seller_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "DE"
    seller_vat_id: str = "DE136695976"
    seller_register: str = "Amtsgericht Charlottenburg, HRB 000000 B"
    seller_email: str = "billing@seatledger.example"
    seller_website: str = "https://seatledger.example"
    seller_time_zone: str = "Europe/Berlin"
    mail_domain: str = "seatledger.example"

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            message = "begins with postgresql://"
            raise ValueError(message)
        return value

    @property
    def quoting_rules(self) -> QuotingRules:
        """What the domain must know of the company."""
        return QuotingRules(self.seller_id, self.seller_country, self.quote_valid_days, self.seats_at_most)

    @property
    def seller(self) -> Seller:
        """The company as its receipts name it."""
        return Seller(
            name=self.seller_name,
            street=self.seller_street,
            postal_code=self.seller_postal_code,
            city=self.seller_city,
            country=self.seller_country,
            vat_id=self.seller_vat_id,
            register=self.seller_register,
            email=self.seller_email,
            website=self.seller_website,
        )


def from_environment() -> Settings:
    """The settings; raises SettingsError, which quotes no value, for the first that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        message = f"{name}: {first['msg'].removeprefix('Value error, ')}"
        raise SettingsError(message) from None
