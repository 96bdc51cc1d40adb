-- Every way an order can go: to-do entries say what is to be done and from when, notices and the care list are new.
-- Read models hold nothing that the events don't: those whose shape changes are emptied and built again from the start.
SET LOCAL ROLE seatledger_owner;

ALTER TABLE portal.orders
    ADD COLUMN attempts bigint NOT NULL DEFAULT 0, ADD COLUMN pay_until timestamptz, ADD COLUMN action jsonb,
    ADD COLUMN cancelling text, ADD COLUMN refunded bigint NOT NULL DEFAULT 0;
TRUNCATE portal.accounts, portal.subscriptions, portal.quotes, portal.orders, portal.receipts, portal.timeline;

DROP TABLE timers.due, receipts_todo.entries, fulfilment_todo.entries;
CREATE TABLE fulfilment_todo.entries (
    entry_id uuid PRIMARY KEY, work text NOT NULL, subject_id uuid NOT NULL, account_id uuid NOT NULL,
    correlation_id uuid NOT NULL, causation_id uuid NOT NULL, position bigint NOT NULL, since timestamptz NOT NULL,
    due_at timestamptz
);
CREATE INDEX entries_by_position ON fulfilment_todo.entries (position);
CREATE TABLE receipts_todo.entries (LIKE fulfilment_todo.entries INCLUDING ALL);
CREATE SCHEMA notices_todo;
CREATE TABLE notices_todo.entries (LIKE fulfilment_todo.entries INCLUDING ALL);
CREATE TABLE timers.entries (LIKE fulfilment_todo.entries INCLUDING ALL);
CREATE INDEX entries_by_time ON timers.entries (due_at);

CREATE SCHEMA care;
CREATE TABLE care.entries (
    entry_id uuid PRIMARY KEY, care text NOT NULL, account_id uuid NOT NULL, subject_id uuid NOT NULL,
    subject_kind text NOT NULL, since timestamptz NOT NULL, position bigint NOT NULL, detail text NOT NULL
);
CREATE INDEX entries_by_position ON care.entries (position, entry_id);

UPDATE projecting.checkpoints SET position = 0, expires_at = '-infinity', epoch = epoch + 1;

GRANT USAGE ON SCHEMA notices_todo, care TO seatledger_app, seatledger_reader;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON ALL TABLES IN SCHEMA fulfilment_todo, receipts_todo, notices_todo, timers, care TO seatledger_app;
GRANT SELECT ON ALL TABLES IN SCHEMA fulfilment_todo, receipts_todo, notices_todo, timers, care TO seatledger_reader;
RESET ROLE;
