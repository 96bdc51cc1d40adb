"""Which database a command works on: DATABASE_URL, or the embedded server of this checkout."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.postgres import embedded, read_database, schema
from adapters.postgres.homes import Homes, homes_of
from adapters.settings import Settings, SettingsError

APPLICATION_ROLE = "seatledger_app"


@dataclass(frozen=True, slots=True)
class Database:
    """A database by the URLs of the roles that use it, and as `homes` the read models' own beside it, if there is one.

    `owners` are those who may migrate and rebuild.
    """

    homes: Homes[str]
    owners: Homes[str]
    is_embedded: bool

    @property
    def application_url(self) -> str:
        """The ledger's, as the application's role."""
        return self.homes.ledger

    @property
    def owner_url(self) -> str:
        """The ledger's, as the role that may migrate."""
        return self.owners.ledger


@contextmanager
def database(settings: Settings, *, stop_after: bool) -> Iterator[Database]:
    """The database, its embedded server running while the block does.

    `stop_after`: stop the embedded server at the end, unless another process of this checkout uses it.
    """
    if settings.database_url:
        application = settings.database_url.get_secret_value()
        owner = settings.database_owner_url
        yield _database(settings, application, owner.get_secret_value() if owner else application, is_embedded=False)
        return
    server = embedded.start(settings.data_folder)
    try:
        by_role = (server.url(role, "seatledger") for role in (APPLICATION_ROLE, embedded.SUPERUSER))
        yield _database(settings, *by_role, is_embedded=True)
    finally:
        if stop_after:
            server.stop()


def _database(settings: Settings, application: str, owner: str, *, is_embedded: bool) -> Database:
    homes = homes_of(application, settings.read_database_url)
    named = settings.read_database_owner_url
    read_owner = named.get_secret_value() if named else homes.elsewhere
    return Database(homes, Homes(owner, read_owner), is_embedded)


def migrated(found: Database, settings: Settings) -> tuple[str | None, str | None]:
    """Bring both up to date; returns the revisions there were before. Raises SchemaError."""
    before = schema.migrate(found.owner_url, settings.partitions)
    if found.owners.elsewhere is None:
        return before, None
    return before, read_database.migrate(found.owners.elsewhere, found.owner_url)


def must_be_external(settings: Settings) -> None:
    """Raise SettingsError unless DATABASE_URL is set: `serve` and `work` never start a server of their own."""
    if settings.database_url is None:
        message = "DATABASE_URL: name the PostgreSQL to work on, or run `seatledger dev` for an embedded one"
        raise SettingsError(message)
