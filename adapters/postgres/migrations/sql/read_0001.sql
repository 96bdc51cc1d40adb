-- A database of its own for the read models that people look at. Their tables are made from the code, as a rebuild
-- makes them (adapters/postgres/read_model_tables.py); here is what they stand on, with the rights that the ledger's
-- own migrations give (0001, 0005, 0007). A test compares the two.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['seatledger_owner', 'seatledger_app', 'seatledger_reader', 'seatledger_api',
                                  'seatledger_finance', 'seatledger_investigator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I %s', wanted,
                               CASE wanted WHEN 'seatledger_owner' THEN 'NOLOGIN' ELSE 'LOGIN' END);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another migration made it at the same moment
            END;
        END IF;
    END LOOP;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT seatledger_owner TO %I', current_user);
    END IF;
    FOREACH wanted IN ARRAY ARRAY['seatledger_app', current_user::text] LOOP
        IF NOT pg_has_role(wanted, 'seatledger_api', 'MEMBER') THEN
            EXECUTE format('GRANT seatledger_api TO %I', wanted);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO seatledger_app, seatledger_reader, seatledger_api,'
                   ' seatledger_finance, seatledger_investigator', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO seatledger_owner', current_database());
END
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO seatledger_app, seatledger_api;
GRANT SELECT ON public.alembic_version TO seatledger_app, seatledger_api;

CREATE SCHEMA projecting AUTHORIZATION seatledger_owner;
CREATE SCHEMA finance AUTHORIZATION seatledger_owner;
CREATE SCHEMA investigation AUTHORIZATION seatledger_owner;
SET LOCAL ROLE seatledger_owner;

CREATE TABLE projecting.settings (
    name text PRIMARY KEY,
    value text NOT NULL
);
COMMENT ON TABLE projecting.settings IS 'Which ledger the read models are of: fixed by the first migration.';

CREATE TABLE projecting.checkpoints (
    projection text NOT NULL,
    partition smallint NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    log_identity text NOT NULL,
    owner text,
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (projection, partition)
);
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
CREATE TABLE projecting.read_models (
    projection text PRIMARY KEY,
    version integer NOT NULL
);

GRANT USAGE ON SCHEMA projecting TO seatledger_app, seatledger_reader, seatledger_api;
GRANT SELECT ON projecting.settings TO seatledger_app, seatledger_api;
GRANT SELECT, INSERT, UPDATE ON projecting.checkpoints TO seatledger_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON projecting.parked TO seatledger_app;
GRANT SELECT ON projecting.read_models TO seatledger_app;
GRANT SELECT ON projecting.checkpoints, projecting.parked, projecting.read_models TO seatledger_reader;
GRANT SELECT ON projecting.checkpoints, projecting.read_models TO seatledger_api;
GRANT SELECT (projection, position, account_id, topic, error, parked_at) ON projecting.parked TO seatledger_api;

-- As adapters/postgres/row_policies.py has them.
ALTER TABLE projecting.parked ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON projecting.parked FOR SELECT TO seatledger_api USING (
    account_id = ANY ((SELECT nullif(current_setting('seatledger.accounts', true), '')::uuid[])::uuid[])
    OR (SELECT current_setting('seatledger.every_account', true) = 'on'));
CREATE POLICY application ON projecting.parked FOR ALL TO seatledger_app USING (true);
CREATE POLICY reports ON projecting.parked FOR SELECT TO seatledger_reader USING (true);

GRANT USAGE ON SCHEMA finance TO seatledger_finance;
GRANT USAGE ON SCHEMA investigation TO seatledger_investigator;
RESET ROLE;
