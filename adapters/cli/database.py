"""Which database a command works on: DATABASE_URL, or the embedded server of this checkout."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.postgres import embedded
from adapters.settings import Settings, SettingsError

APPLICATION_ROLE = "seatledger_app"


@dataclass(frozen=True, slots=True)
class Database:
    """A database by the URLs of the roles that use it."""

    application_url: str
    owner_url: str
    is_embedded: bool


@contextmanager
def database(settings: Settings, *, stop_after: bool) -> Iterator[Database]:
    """The database, its embedded server running while the block does.

    `stop_after`: stop the embedded server at the end, unless another process of this checkout uses it.
    """
    if settings.database_url:
        application = settings.database_url.get_secret_value()
        owner = settings.database_owner_url
        yield Database(application, owner.get_secret_value() if owner else application, is_embedded=False)
        return
    server = embedded.start(settings.data_folder)
    try:
        yield Database(
            server.url(APPLICATION_ROLE, "seatledger"), server.url(embedded.SUPERUSER, "seatledger"), is_embedded=True
        )
    finally:
        if stop_after:
            server.stop()


def must_be_external(settings: Settings) -> None:
    """Raise SettingsError unless DATABASE_URL is set: `serve` and `work` never start a server of their own."""
    if settings.database_url is None:
        message = "DATABASE_URL: name the PostgreSQL to work on, or run `seatledger dev` for an embedded one"
        raise SettingsError(message)
