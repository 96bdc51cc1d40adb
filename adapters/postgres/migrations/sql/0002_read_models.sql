-- The read models: a schema for each projection, so that one rebuilt beside it can take its name in one transaction.
SET LOCAL ROLE seatledger_owner;

CREATE SCHEMA portal;
CREATE TABLE portal.accounts (
    account_id uuid PRIMARY KEY, number text NOT NULL, country text NOT NULL, currency text NOT NULL,
    language text NOT NULL, time_zone text NOT NULL, territory text NOT NULL, vat_id text,
    legal_name jsonb NOT NULL, billing_contact jsonb NOT NULL, billing_address jsonb NOT NULL, payment_method jsonb,
    restriction text, open_quote_id uuid, version bigint NOT NULL
);
CREATE INDEX accounts_by_number ON portal.accounts (number);
CREATE TABLE portal.subscriptions (
    subscription_id uuid PRIMARY KEY, account_id uuid NOT NULL, number text NOT NULL, product text NOT NULL,
    seats bigint NOT NULL, seats_on_order bigint NOT NULL, order_id uuid, unit_price bigint NOT NULL,
    currency text NOT NULL, term_start date NOT NULL, term_end date NOT NULL, state text NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX subscriptions_by_account ON portal.subscriptions (account_id, number);
CREATE TABLE portal.quotes (
    quote_id uuid PRIMARY KEY, account_id uuid NOT NULL, number text NOT NULL, origin text NOT NULL,
    state text NOT NULL, currency text NOT NULL, lines jsonb NOT NULL, net bigint NOT NULL, tax bigint NOT NULL,
    gross bigint NOT NULL, time_zone text NOT NULL, issued_at timestamptz NOT NULL, valid_until timestamptz NOT NULL,
    supersedes jsonb, superseded_by uuid, order_id uuid, ended_at timestamptz, version bigint NOT NULL
);
CREATE INDEX quotes_by_account ON portal.quotes (account_id, issued_at DESC, quote_id DESC);
CREATE TABLE portal.orders (
    order_id uuid PRIMARY KEY, account_id uuid NOT NULL, quote_id uuid NOT NULL, number text NOT NULL,
    state text NOT NULL, overdue boolean NOT NULL, currency text NOT NULL, lines jsonb NOT NULL,
    outcomes jsonb NOT NULL, net bigint NOT NULL, tax bigint NOT NULL, gross bigint NOT NULL,
    captured bigint NOT NULL, details jsonb NOT NULL, purchase_order jsonb, locale text NOT NULL, decline_code text,
    prepared_at timestamptz NOT NULL, placed_at timestamptz, due_at timestamptz, completed_at timestamptz,
    receipt_id uuid, receipt_number text, receipt_sent boolean NOT NULL, version bigint NOT NULL
);
CREATE INDEX orders_by_account ON portal.orders (account_id, prepared_at DESC, order_id DESC);
CREATE TABLE portal.receipts (
    receipt_id uuid PRIMARY KEY, account_id uuid NOT NULL, order_id uuid NOT NULL, receipt_number text NOT NULL,
    issued_on date NOT NULL, locale text NOT NULL, document jsonb NOT NULL, document_digest text NOT NULL
);
CREATE TABLE portal.timeline (
    event_id uuid PRIMARY KEY, account_id uuid NOT NULL, position bigint NOT NULL, topic text NOT NULL,
    subject_kind text NOT NULL, subject_id uuid NOT NULL, subject_version bigint NOT NULL,
    effective_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL, actor_id text NOT NULL,
    actor_role text NOT NULL, causation_id uuid NOT NULL, correlation_id uuid NOT NULL
);
CREATE INDEX timeline_by_account ON portal.timeline (account_id, position);

CREATE SCHEMA fulfilment_todo;
CREATE TABLE fulfilment_todo.entries (
    entry_id uuid PRIMARY KEY, subject_id uuid NOT NULL, account_id uuid NOT NULL, correlation_id uuid NOT NULL,
    causation_id uuid NOT NULL, position bigint NOT NULL, since timestamptz NOT NULL
);
CREATE INDEX entries_by_position ON fulfilment_todo.entries (position);

CREATE SCHEMA receipts_todo;
CREATE TABLE receipts_todo.entries (LIKE fulfilment_todo.entries INCLUDING ALL);

CREATE SCHEMA timers;
CREATE TABLE timers.due (
    timer_id uuid PRIMARY KEY, kind text NOT NULL, subject_id uuid NOT NULL, account_id uuid NOT NULL,
    due_at timestamptz NOT NULL, correlation_id uuid NOT NULL, causation_id uuid NOT NULL
);
CREATE INDEX due_by_time ON timers.due (due_at);

GRANT USAGE ON SCHEMA portal, fulfilment_todo, receipts_todo, timers TO seatledger_app, seatledger_reader;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON ALL TABLES IN SCHEMA portal, fulfilment_todo, receipts_todo, timers TO seatledger_app;
GRANT SELECT ON ALL TABLES IN SCHEMA portal, fulfilment_todo, receipts_todo, timers TO seatledger_reader;
RESET ROLE;
