-- Parked events, and which version the tables of each read model are of.
SET LOCAL ROLE seatledger_owner;

-- What a projection could not take, whole, so that it can be tried again wherever the log is. `error` is null where an
-- event only waits behind one of its account that has one.
CREATE TABLE projecting.parked (
    projection text NOT NULL, position bigint NOT NULL, partition smallint NOT NULL, previous bigint NOT NULL,
    originator_id uuid NOT NULL, originator_version integer NOT NULL, topic text NOT NULL, state bytea NOT NULL,
    event_id uuid NOT NULL, account_id uuid NOT NULL, recorded_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL, actor_id text NOT NULL, actor_role text NOT NULL, on_behalf_of text,
    correlation_id uuid NOT NULL, causation_id uuid NOT NULL, idempotency_key text,
    error text, tries integer NOT NULL, parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, position)
);
CREATE INDEX parked_by_account ON projecting.parked (projection, account_id, position);

-- `projection` is the schema's name; one that is being rebuilt stands beside the live one under its own.
CREATE TABLE projecting.read_models (
    projection text PRIMARY KEY,
    version integer NOT NULL
);
INSERT INTO projecting.read_models (projection, version) VALUES
    ('portal', 2), ('fulfilment_todo', 2), ('receipts_todo', 2), ('notices_todo', 1), ('timers', 2), ('care', 1);

GRANT SELECT, INSERT, UPDATE, DELETE ON projecting.parked TO seatledger_app;
GRANT SELECT ON projecting.read_models TO seatledger_app;
GRANT SELECT ON projecting.parked, projecting.read_models TO seatledger_reader;
RESET ROLE;
