"""Each projection with its version, checkpoints, what it is behind, what is parked and how many rows it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import AsyncConnection, sql

from adapters.postgres.homes import Homes
from projections.fold import Projection

_VERSION: Final = "SELECT version FROM projecting.read_models WHERE projection = %s"

_PARTITIONS: Final = """
SELECT projection, partition, position, expires_at > clock_timestamp()
FROM projecting.checkpoints WHERE projection = ANY(%s) ORDER BY projection, partition
"""

_BEHIND: Final = """
SELECT (SELECT count(*) FROM ledger.events e WHERE e.partition = c.partition AND e.notification_id > c.position)
FROM unnest(%s::int2[], %s::int8[]) WITH ORDINALITY AS c (partition, position, number) ORDER BY number
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


async def checkpoints_of(
    homes: Homes[AsyncConnection], home: AsyncConnection, projections: Sequence[Projection]
) -> dict[str, list[Checkpoint]]:
    """The checkpoints of projections that live in `home`, by name; none of one that has read nothing yet."""
    names = [each.name for each in projections]
    rows = await (await home.execute(_PARTITIONS, (names,))).fetchall()
    places = [row[1] for row in rows], [row[2] for row in rows]
    behind = await (await homes.ledger.execute(_BEHIND, places)).fetchall()
    found: dict[str, list[Checkpoint]] = {}
    for (name, partition, position, held), (events,) in zip(rows, behind, strict=True):
        found.setdefault(name, []).append(Checkpoint(partition, position, held, events))
    return found


async def state_of(homes: Homes[AsyncConnection], projection: Projection) -> ProjectionState:
    """One projection as it is now."""
    name, connection = projection.name, homes.of(projection.name)
    version = await (await connection.execute(_VERSION, (name,))).fetchone()
    checkpoints = (await checkpoints_of(homes, connection, [projection])).get(name, [])
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
