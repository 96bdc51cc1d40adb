"""Who looked at whose receipt or personal data: rows that are only added, before the answer is given."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.availability import reporting_unavailability
from domain.envelope import Actor

_ADD: Final = """
INSERT INTO ledger.access_log (actor_id, actor_role, operation, subject_kind, subject_id, account_id)
SELECT %s, %s, %s, %s, subject, account FROM unnest(%s::uuid[], %s::uuid[]) AS seen (subject, account)
"""


ONE_LOOK_SECONDS: Final = 60.0
"""Who looks at the same again within this time has looked once: a page that follows an order asks each second."""

REMEMBERED: Final = 10_000

_NEVER: Final = float("-inf")
_Look = tuple[str, str, str, UUID]


class PostgresAccessLog:
    """Adds to ledger.access_log, which the API's role can neither read nor change."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], clock: Callable[[], float] = time.monotonic) -> None:
        """Write through this pool."""
        self._pool, self._clock = pool, clock
        self._noted: OrderedDict[_Look, float] = OrderedDict()

    async def looked(self, actor: Actor, operation: str, kind: str, subjects: Iterable[tuple[UUID, UUID]]) -> None:
        """Note that the actor is shown these, each with the account it belongs to; without any, nothing.

        Raises StoreUnavailable: then nothing may be shown.
        """
        now = self._clock()
        looks: dict[_Look, UUID] = {(actor.id, operation, kind, id): account for id, account in subjects}
        new = {look: account for look, account in looks.items() if now >= self._noted.get(look, _NEVER)}
        if not new:
            return
        ids = [id for *_, id in new]
        async with reporting_unavailability(), self._pool.connection() as connection:
            parameters = (actor.id, actor.role, operation, kind, ids, list(new.values()))
            await connection.execute(_ADD, parameters, prepare=True)
        for look in new:
            self._noted[look] = now + ONE_LOOK_SECONDS
            self._noted.move_to_end(look)
        while len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)
