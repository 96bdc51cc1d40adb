"""Each projection with its version, checkpoints, what it is behind, what is parked and how many rows it has."""

from dataclasses import dataclass
from typing import Final

from psycopg import AsyncConnection, sql

from projections.fold import Projection

_VERSION: Final = "SELECT version FROM projecting.read_models WHERE projection = %s"

_PARTITIONS: Final = """
SELECT c.partition, c.position, c.expires_at > clock_timestamp(),
       (SELECT count(*) FROM ledger.events e WHERE e.partition = c.partition AND e.notification_id > c.position)
FROM projecting.checkpoints c WHERE c.projection = %s ORDER BY c.partition
"""

_PARKED: Final = """
SELECT count(DISTINCT account_id), count(*) FROM projecting.parked WHERE projection = %s
"""

_BUILDING: Final = "SELECT EXISTS (SELECT FROM projecting.read_models WHERE projection ~ %s)"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one partition is, whether a worker holds it, and the events behind."""

    partition: int
    position: int
    held: bool
    events_behind: int


@dataclass(frozen=True, slots=True)
class ProjectionState:
    """One projection. `version` is the live tables', None without any; `rows` are those of each table.

    `building`: one stands beside it, or what is left of a rebuild that was killed.
    """

    name: str
    version: int | None
    needs_version: int
    checkpoints: tuple[Checkpoint, ...]
    accounts_parked: int
    events_parked: int
    rows: dict[str, int]
    building: bool

    @property
    def events_behind(self) -> int:
        """Over all partitions."""
        return sum(each.events_behind for each in self.checkpoints)


async def state_of(connection: AsyncConnection, projection: Projection) -> ProjectionState:
    """One projection as it is now."""
    name = projection.name
    version = await (await connection.execute(_VERSION, (name,))).fetchone()
    checkpoints = [Checkpoint(*row) for row in await (await connection.execute(_PARTITIONS, (name,))).fetchall()]
    accounts, events = await (await connection.execute(_PARKED, (name,))).fetchone() or (0, 0)
    building = await (await connection.execute(_BUILDING, (f"^{name}_v[0-9]+$",))).fetchone()
    rows: dict[str, int] = {}
    for table in projection.tables if version and version[0] == projection.version else ():
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name, table))
        rows[table] = int((await (await connection.execute(count)).fetchone() or (0,))[0])
    return ProjectionState(
        name=name,
        version=version[0] if version else None,
        needs_version=projection.version,
        checkpoints=tuple(checkpoints),
        accounts_parked=accounts,
        events_parked=events,
        rows=rows,
        building=bool(building and building[0]),
    )
