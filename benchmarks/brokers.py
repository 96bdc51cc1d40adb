"""Kafka for one run, as `ops/kafka` starts it; gone at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.kafka.brokers import Cluster, cluster


@contextmanager
def bench_brokers(count: int = 1) -> Iterator[Cluster]:
    """Brokers with nothing on them, which die with this process. Raises BrokerError."""
    with tempfile.TemporaryDirectory(prefix="seatledger-bench-kafka-", ignore_cleanup_errors=True) as folder:
        brokers = cluster(Path(folder), count)
        brokers.start(dies_with_us=True)
        try:
            yield brokers
        finally:
            brokers.erase()
