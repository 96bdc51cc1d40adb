-- How far the events are published to Kafka, and by whom; and the messages there that nobody could read.
SET LOCAL ROLE seatledger_owner;

-- One row: a ledger has one log. `log_identity` names cluster and topic that the position belongs to; null until the
-- first event is published. All events up to `position` were acknowledged by the brokers.
CREATE TABLE ledger.relay (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    log_identity text,
    position bigint NOT NULL DEFAULT 0,
    published_at timestamptz,
    owner text,
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO ledger.relay DEFAULT VALUES;

-- What came out of Kafka and is not what was put in, or never was: kept as it is, so that it can be looked into.
CREATE TABLE projecting.spoilt (
    log_identity text NOT NULL,
    partition smallint NOT NULL,
    message_offset bigint NOT NULL,
    reason text NOT NULL,
    key bytea,
    value bytea,
    header_names text[] NOT NULL,
    header_values bytea[] NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (log_identity, partition, message_offset)
);

GRANT SELECT, UPDATE ON ledger.relay TO seatledger_app;
GRANT SELECT, INSERT ON projecting.spoilt TO seatledger_app;
GRANT SELECT ON ledger.relay, projecting.spoilt TO seatledger_reader;
RESET ROLE;
