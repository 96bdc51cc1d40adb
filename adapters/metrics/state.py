"""How far everything is at the moment somebody asks: lags, lists, orders, connections."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from adapters.ledger import Ledger
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.homes import Homes
from adapters.postgres.ledger_status import look
from adapters.postgres.open_work import open_care, open_work
from domain.care import Care
from services.ports import StoreUnavailable

_WITHIN_SECONDS: Final = 2.0  # each; who scrapes gives up after ten


async def exposition(ledger: Ledger) -> bytes:
    """All figures in Prometheus' text format. What can't be told now is left out, and `seatledger_up` says so."""
    found = _of_this_process(ledger)
    up = GaugeMetricFamily("seatledger_up", "Whether this part could be looked at just now", labels=["part"])
    parts: dict[str, Callable[[Ledger], Awaitable[list[Metric]]]] = {"work": _work, "read_models": _read_models}
    if ledger.relay:
        parts["log"] = _log
    for name, look_at in parts.items():
        try:
            async with asyncio.timeout(_WITHIN_SECONDS):
                found += await look_at(ledger)
            up.add_metric([name], 1)
        except (StoreUnavailable, TimeoutError):
            up.add_metric([name], 0)
    at_once = CollectorRegistry()
    at_once.register(_Found([*found, up]))
    return generate_latest(ledger.meters.registry) + generate_latest(at_once)


class _Found(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """What was found."""
        return self._metrics


def _gauge(name: str, says: str, by: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"seatledger_{name}", says, labels=[by])
    for label, value in values:
        gauge.add_metric([label], value)
    return gauge


def _of_this_process(ledger: Ledger) -> list[Metric]:
    projected = CounterMetricFamily(
        "seatledger_projected_events", "Events read into a read model by this process", labels=["projection"]
    )
    for each in ledger.projections:
        projected.add_metric([each.projection.name], each.events)
    pools = {
        name: pool.get_stats()
        for name, pool in (
            ("ledger", ledger.pool),
            ("api", ledger.api_pools.ledger),
            ("read_models", ledger.pools.elsewhere),
            ("api_read_models", ledger.api_pools.elsewhere),
        )
        if pool
    }
    used = _gauge(
        "pool_connections_in_use",
        "Connections of a pool that are given out",
        "pool",
        ((name, each.get("pool_size", 0) - each.get("pool_available", 0)) for name, each in pools.items()),
    )
    most = _gauge(
        "pool_connections_at_most",
        "Connections that a pool may have",
        "pool",
        ((name, each.get("pool_max", 0)) for name, each in pools.items()),
    )
    waiting = _gauge(
        "pool_waiting",
        "Who waits for a connection of a pool",
        "pool",
        ((name, each.get("requests_waiting", 0)) for name, each in pools.items()),
    )
    queue = GaugeMetricFamily("seatledger_appends_waiting", "Appends that wait for the writer", ledger.writer.waiting)
    trouble = _gauge(
        "stands_still",
        "1 for what this process can't go on with at present",
        "part",
        [("writer", ledger.writer.trouble is not None)]
        + [(each.projection.name, bool(each.failure or each.log_trouble)) for each in ledger.projections],
    )
    return [projected, used, most, waiting, queue, trouble]


async def _work(ledger: Ledger) -> list[Metric]:
    now = await ledger.clock.now()
    async with reporting_unavailability(), ledger.pool.connection() as connection:
        lists = await open_work(connection, now)
    return [
        _gauge("todo_open", "Entries that could be worked on now", "list", ((it.list, it.entries) for it in lists)),
        _gauge(
            "todo_oldest_seconds",
            "For how long the oldest of these could be, in business time",
            "list",
            ((it.list, it.oldest_seconds) for it in lists),
        ),
    ]


async def _read_models(ledger: Ledger) -> list[Metric]:
    async with reporting_unavailability(), AsyncExitStack() as stack:
        elsewhere = ledger.pools.elsewhere
        homes = Homes(
            await stack.enter_async_context(ledger.pool.connection()),
            await stack.enter_async_context(elsewhere.connection()) if elsewhere else None,
        )
        status, care = await look(homes), await open_care(homes.read_models)
    held = ((each.name, each.partitions_held) for each in status.projections)
    behind = ((each.name, each.events_behind) for each in status.projections)
    parked = ((each.name, each.accounts_parked) for each in status.projections)
    by_care = ((each.value, care.get(each.value, 0)) for each in Care if each is not Care.PARKED)
    return [
        GaugeMetricFamily("seatledger_position", "Where the store ends", status.position),
        _gauge("projection_partitions_held", "Partitions that some worker keeps up", "projection", held),
        _gauge("projection_events_behind", "Events that a read model has not seen", "projection", behind),
        _gauge("projection_accounts_parked", "Accounts stopped at an event", "projection", parked),
        _gauge("orders", "Orders by state", "state", status.orders.items()),
        GaugeMetricFamily(
            "seatledger_orders_overdue", "Orders that should be carried out by now", care.get(Care.ORDER_OVERDUE, 0)
        ),
        _gauge("care_open", "What Corporate Account Services has to look at", "care", by_care),
    ]


async def _log(ledger: Ledger) -> list[Metric]:
    assert ledger.relay is not None
    state = await ledger.publication.state()
    return [
        GaugeMetricFamily("seatledger_relay_leads", "Whether this process publishes", int(ledger.relay.leads)),
        GaugeMetricFamily("seatledger_relay_led", "Whether some process publishes", int(state.led)),
        GaugeMetricFamily("seatledger_relay_events_behind", "Events that are not in Kafka", state.events_behind),
        GaugeMetricFamily(
            "seatledger_relay_seconds_behind", "For how long the first of them is in the store", state.seconds_behind
        ),
        GaugeMetricFamily(
            "seatledger_relay_stands_still", "1 while it can't publish", int(ledger.relay.trouble is not None)
        ),
        CounterMetricFamily("seatledger_relay_events", "Events published by this process", ledger.relay.published),
        GaugeMetricFamily("seatledger_spoilt_messages", "Messages in Kafka that nobody could read", state.spoilt),
    ]
