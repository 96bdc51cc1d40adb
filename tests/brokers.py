"""The broker of a test session, and topics of a test's own on it."""

import os
from dataclasses import replace
from uuid import uuid4

import pytest

from adapters.log.kafka_access import KafkaAccess
from ops.kafka import brokers


def required() -> None:
    """Skip, or fail where REQUIRE_KAFKA=1, if this machine can't run Kafka."""
    lacking = brokers.missing()
    if lacking is None:
        return
    said = f"not tried on Kafka: there is {lacking} here"
    if os.environ.get("REQUIRE_KAFKA") == "1":
        pytest.fail(said)
    pytest.skip(said)


def own_topic(access: KafkaAccess) -> KafkaAccess:
    """The same cluster with a topic that nobody else uses."""
    return replace(access, topic=f"seatledger.test-{uuid4().hex}.events.v1")
