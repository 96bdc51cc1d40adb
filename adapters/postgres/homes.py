"""Where each read model lives: in the ledger's own database, or in the one that READ_DATABASE_URL names."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from psycopg import AsyncConnection
from pydantic import SecretStr

from adapters.postgres.availability import reporting_unavailability
from projections.care import care
from projections.catalogue import PROJECTIONS
from projections.fold import Projection
from projections.portal import portal

MAY_LIVE_ELSEWHERE: Final = frozenset({portal.name, care.name})
"""What people look at. To-do lists stay with the claims on their entries, and act while the other database is away."""

Way = TypeVar("Way")


@dataclass(frozen=True, slots=True)
class Homes(Generic[Way]):
    """The ways into both: addresses, pools or connections. Without `elsewhere` everything is in the ledger's."""

    ledger: Way
    elsewhere: Way | None = None

    @property
    def are_two(self) -> bool:
        """Whether there is another database."""
        return self.elsewhere is not None

    @property
    def read_models(self) -> Way:
        """The way to what may live elsewhere."""
        return self.ledger if self.elsewhere is None else self.elsewhere

    def of(self, projection: str) -> Way:
        """The way to this read model."""
        return self.read_models if projection in MAY_LIVE_ELSEWHERE else self.ledger

    def residents(self) -> list[tuple[Way, list[Projection]]]:
        """Each database with the read models that are kept up there; the read models' own one first.

        First, because what a later snapshot of the ledger has may be missing in it, and never the other way round.
        """
        if self.elsewhere is None:
            return [(self.ledger, list(PROJECTIONS))]
        return [
            (way, [each for each in PROJECTIONS if (each.name in MAY_LIVE_ELSEWHERE) is elsewhere])
            for way, elsewhere in ((self.elsewhere, True), (self.ledger, False))
        ]


def homes_of(ledger_url: str, read_url: SecretStr | None) -> Homes[str]:
    """The addresses of both; without the second one, the read models are with the ledger."""
    return Homes(ledger_url, read_url.get_secret_value() if read_url else None)


@asynccontextmanager
async def connected(urls: Homes[str]) -> AsyncIterator[Homes[AsyncConnection]]:
    """Connections for a command's look, until the block ends. Raises StoreUnavailable."""
    async with reporting_unavailability(), AsyncExitStack() as stack:

        async def connection(url: str) -> AsyncConnection:
            opened = await AsyncConnection.connect(url, connect_timeout=5, autocommit=True)
            return await stack.enter_async_context(opened)

        ledger = await connection(urls.ledger)
        yield Homes(ledger, await connection(urls.elsewhere) if urls.elsewhere else None)
