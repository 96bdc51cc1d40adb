"""Where a ledger's log in Kafka is, and what the topic must be like."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where the cluster is, how to log in, and the topic's own demands."""

    bootstrap_servers: str
    topic: str
    replication: int = 1
    min_insync_replicas: int = 1
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
