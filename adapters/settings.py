"""All settings, from the environment, each with its plain error."""

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.documents.seller import Seller
from adapters.identity.accepted import ALGORITHMS, ASYMMETRIC, AUDIENCE, LEEWAY, is_safe_address
from adapters.log.kafka_access import KafkaAccess
from domain.quote import QuotingRules

TERMS_VERSION: Final = "2026-01"


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one plain line that names it."""


class Settings(BaseSettings):
    """What the environment says. Secrets are never shown by repr or log."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(default=None, description="PostgreSQL as the application; none: embedded")
    database_owner_url: SecretStr | None = Field(default=None, description="PostgreSQL as a role that may migrate")
    database_api_url: SecretStr | None = Field(
        default=None, description="PostgreSQL as the API's role; none: DATABASE_URL's role takes it on"
    )
    read_database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL for the read models that people look at; none: the ledger's own"
    )
    read_database_owner_url: SecretStr | None = Field(
        default=None, description="the same as a role that may migrate and rebuild"
    )
    data_folder: Path = Field(default=Path(".seatledger"), description="where the embedded server keeps its data")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(default=12, description="fixed at the first start")
    ledger: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = Field(default="main", description="names the topic")
    kafka_bootstrap_servers: str | None = Field(default=None, description="host:port,...; none: the store is the log")
    kafka_replication: Annotated[int, Field(ge=1, le=32)] = Field(default=1, description="copies of each event")
    kafka_min_insync_replicas: Annotated[int, Field(ge=1, le=32)] = Field(default=1, description="copies before a yes")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = Field(default=None, description="PEM of who signed the brokers' certificates")
    kafka_certificate_file: Path | None = Field(default=None, description="PEM with this client's key and certificate")
    receipts_lag_seconds: Annotated[float, Field(ge=1)] = Field(
        default=60.0, description="after that receipts are sent from the store, past Kafka"
    )
    sandbox: bool = Field(default=False, description="work with the sandbox counterparties and identity provider")
    movable_clock: bool = Field(default=True, description="an operator may move business time; only with the sandbox")
    identity_jwks_url: str | None = Field(
        default=None, description="where the identity provider's keys are; none: the sandbox's provider"
    )
    identity_issuer: str | None = Field(default=None, description="`iss` of its tokens")
    identity_audience: str = Field(default=AUDIENCE, description="`aud` of tokens for this service")
    identity_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        default=ALGORITHMS, description="signatures that are accepted, separated by commas; asymmetric ones only"
    )
    identity_leeway_seconds: Annotated[int, Field(ge=0, le=300)] = Field(default=LEEWAY, description="clocks differ")
    identity_keys_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=3600, description="how long the provider's keys serve while it is away"
    )
    identity_client_id: str | None = Field(
        default=None, description="this service at the provider, for sign-in to pages"
    )
    identity_client_secret: SecretStr | None = None
    public_url: str | None = Field(
        default=None, description="where browsers reach this service; none: http://localhost and the port"
    )
    identity_ca_file: Path | None = Field(default=None, description="authorities (PEM) of the provider's certificate")
    database_connections: Annotated[int, Field(ge=2, le=1000)] = 10
    append_queue: Annotated[int, Field(ge=1)] = Field(default=10_000, description="appends that may wait")
    read_queue: Annotated[int, Field(ge=1)] = Field(default=1_000, description="queries that may wait for a connection")
    body_bytes: Annotated[int, Field(ge=1024)] = Field(default=256 * 1024, description="largest request body")
    body_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="a request's body must be here within"
    )
    metrics_token: Annotated[SecretStr, Field(min_length=16)] | None = Field(
        default=None, description="bearer token of who may read /metrics; none: there is no /metrics"
    )
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="where `work`, which serves nothing else, has its /metrics; none: it has none"
    )
    requests_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        default=200.0, description="of one caller for long; ten seconds' worth at once"
    )
    refused_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        default=20.0, description="requests of one address whose token is not accepted"
    )
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

    @field_validator(
        "database_url", "database_owner_url", "database_api_url", "read_database_url", "read_database_owner_url"
    )
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            message = "begins with postgresql://"
            raise ValueError(message)
        return value

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _are_addresses(cls, value: str | None) -> str | None:
        for each in (value or "host:1").split(","):
            host, _, port = each.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
                message = "names brokers as host:port, with commas between"
                raise ValueError(message)
        return value

    @field_validator("kafka_ca_file", "kafka_certificate_file")
    @classmethod
    def _is_a_file(cls, value: Path | None) -> Path | None:
        if value and not value.is_file():
            message = "there is no such file"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and not (self.kafka_username and self.kafka_password):
            message = f"KAFKA_USERNAME, KAFKA_PASSWORD: {self.kafka_security_protocol} wants both"
            raise ValueError(message)
        if self.kafka_min_insync_replicas > self.kafka_replication:
            message = "KAFKA_MIN_INSYNC_REPLICAS: is more than KAFKA_REPLICATION, so nothing could ever be published"
            raise ValueError(message)
        return self

    @field_validator("identity_algorithms", mode="before")
    @classmethod
    def _is_asymmetric(cls, value: object) -> tuple[str, ...]:
        named = tuple(each.strip() for each in value.split(",")) if isinstance(value, str) else value
        if not isinstance(named, tuple) or not named or not ASYMMETRIC.issuperset(named):
            message = f"one or more of {', '.join(sorted(ASYMMETRIC))}"
            raise ValueError(message)
        return named

    @field_validator("identity_jwks_url", "public_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None or is_safe_address(value):
            return value
        message = "begins with https:// (http:// only on this machine)"
        raise ValueError(message)

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if (self.identity_jwks_url is None) != (self.identity_issuer is None):
            message = "IDENTITY_ISSUER and IDENTITY_JWKS_URL belong together: set both or none"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _metrics_have_a_token(self) -> Self:
        if self.metrics_port and not self.metrics_token:
            message = "METRICS_PORT: nobody may read the figures without METRICS_TOKEN: set that, too"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _owns_what_is_read(self) -> Self:
        if self.read_database_owner_url and not self.read_database_url:
            message = "READ_DATABASE_OWNER_URL: says who may migrate what READ_DATABASE_URL names: set that, too"
            raise ValueError(message)
        return self

    @property
    def kafka(self) -> KafkaAccess | None:
        """The log in Kafka; None where the store itself is the log."""
        if self.kafka_bootstrap_servers is None:
            return None
        return KafkaAccess(
            self.kafka_bootstrap_servers,
            f"seatledger.{self.ledger}.events.v1",
            replication=self.kafka_replication,
            min_insync_replicas=self.kafka_min_insync_replicas,
            security_protocol=self.kafka_security_protocol,
            sasl_mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username,
            password=self.kafka_password.get_secret_value() if self.kafka_password else None,
            ca_file=self.kafka_ca_file,
            certificate_file=self.kafka_certificate_file,
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port that browsers reach this service at."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")

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


def _secrets_in_files() -> dict[str, str]:
    """What the files hold that are named in the place of secrets: NAME_FILE. Raises SettingsError."""
    found: dict[str, str] = {}
    for field, described in Settings.model_fields.items():
        name, file = field.upper(), os.environ.get(f"{field.upper()}_FILE")
        if not file or "SecretStr" not in str(described.annotation):
            continue
        if os.environ.get(name):
            message = f"{name}: it is set and {name}_FILE, too: set one of them"
            raise SettingsError(message)
        try:
            found[field] = Path(file).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            message = f"{name}_FILE: it can't be read ({type(error).__name__})"
            raise SettingsError(message) from None
    return found


def from_environment() -> Settings:
    """The settings; raises SettingsError, which quotes no value, for the first that is wrong.

    A secret may be in a file whose path is in NAME_FILE instead.
    """
    secrets: dict[str, Any] = _secrets_in_files()
    try:
        return Settings(**secrets)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        said = first["msg"].removeprefix("Value error, ")
        message = f"{name}: {said}" if name else said  # without: several settings that don't fit, which it names
        raise SettingsError(message) from None
