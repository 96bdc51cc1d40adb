"""Kafka for one run, as `ops/kafka` starts it; gone at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.kafka.brokers import Cluster, cluster


@contextmanager
def bench_brokers(count: int = 1, within: Path | None = None) -> Iterator[Cluster]:
    """Brokers with nothing on them, which die with this process; data `within`, if given. Raises BrokerError."""
    prefix = "seatledger-bench-kafka-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=within, ignore_cleanup_errors=True) as folder:
        brokers = cluster(Path(folder), count)
        brokers.start(dies_with_us=True)
        try:
            yield brokers
        finally:
            brokers.erase()
