"""The program of docs/how-to/read-the-log.md reads what the relay publishes, and takes nothing twice."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest

from adapters.log.event_log import OutgoingRecord
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import close_producer, producer
from adapters.log.kafka_relay import Publisher, send_all
from adapters.log.kafka_topic import make
from tests.contracts.test_cloud_events import RECORD, SOURCE, outgoing
from tests.reference.events.asyncapi import example

pytestmark = pytest.mark.system

PAGE = Path(__file__).parents[2] / "docs/how-to/read-the-log.md"
GIVE_UP_AFTER = 60


def program(access: KafkaAccess) -> str:
    """The page's program, with the test's broker and topic in place of the reader's."""
    text = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    assert len([line for line in text.splitlines() if line]) == 10
    for said, meant in (("127.0.0.1:9092", access.bootstrap_servers), ("seatledger.main.events.v1", access.topic)):
        assert said in text
        text = text.replace(said, meant)
    return text


def stored(position: int, topic: str) -> OutgoingRecord:
    """An event as the store has it: each of another account, all in one partition."""
    state = json.dumps(example(topic)).encode()
    return outgoing(
        RECORD._replace(
            position=position, previous=position - 1, topic=topic, state=state, account_id=UUID(int=position)
        )
    )


def test_the_program_prints_each_order_once_and_goes_on(kafka: KafkaAccess) -> None:
    topics = ["QuoteIssued.v1", "OrderPlaced.v1", "QuoteAccepted.v1", "OrderPlaced.v1", "OrderCompleted.v1"]
    records = [stored(position, topic) for position, topic in enumerate(topics, 1)]
    make(kafka, 12)
    sender, publisher, stop = producer(kafka), Publisher(kafka, SOURCE, "id", 12), threading.Event()
    send_all(sender, publisher, records, stop)
    reader = subprocess.Popen([sys.executable, "-uc", program(kafka)], stdout=subprocess.PIPE, text=True)
    clock = threading.Timer(GIVE_UP_AFTER, reader.kill)
    clock.start()
    try:
        assert reader.stdout
        printed = [reader.stdout.readline() for _ in range(2)]
        send_all(sender, publisher, [*records, stored(6, "OrderPlaced.v1")], stop)  # as after a failure: all again
        printed.append(reader.stdout.readline())
    finally:
        clock.cancel()
        reader.kill()
        reader.communicate()
        close_producer(sender)
    totals = example("OrderPlaced.v1")["totals"]
    assert printed == [f"{UUID(int=position)} {totals}\n" for position in (2, 4, 6)]
