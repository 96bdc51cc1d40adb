-- Who may read which rows: a role of the database for each kind of reader, and row policies on whatever has an account.
-- Roles belong to the whole cluster, and other databases of it may have made them already.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['seatledger_api', 'seatledger_finance', 'seatledger_investigator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another migration made it at the same moment
            END;
        END IF;
    END LOOP;
    -- So that one address is enough: the application gives rights up for what it does in a caller's name. It gains none,
    -- since whatever the API may, the application may.
    FOREACH wanted IN ARRAY ARRAY['seatledger_app', current_user::text] LOOP
        IF NOT pg_has_role(wanted, 'seatledger_api', 'MEMBER') THEN
            EXECUTE format('GRANT seatledger_api TO %I', wanted);
        END IF;
    END LOOP;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO seatledger_api, seatledger_finance, seatledger_investigator',
                   current_database());
END
$$;
GRANT USAGE ON SCHEMA public TO seatledger_api;
GRANT SELECT ON public.alembic_version TO seatledger_api;
SET LOCAL ROLE seatledger_owner;

-- Who looked at what. Whoever serves requests can add to it, and neither read, change nor delete what is there.
CREATE TABLE ledger.access_log (
    access_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_id text NOT NULL,
    actor_role text NOT NULL,
    operation text NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    account_id uuid NOT NULL
);
CREATE INDEX access_log_by_account ON ledger.access_log (account_id, looked_at);

GRANT USAGE ON SCHEMA ledger, projecting, portal, care TO seatledger_api;
GRANT SELECT ON ledger.events, ledger.commands, ledger.vault, ledger.settings TO seatledger_api;
GRANT EXECUTE ON FUNCTION ledger.append TO seatledger_api;
GRANT INSERT ON ledger.access_log TO seatledger_api, seatledger_app;
GRANT SELECT ON projecting.checkpoints, projecting.read_models TO seatledger_api;
GRANT SELECT (projection, position, account_id, topic, error, parked_at) ON projecting.parked TO seatledger_api;
GRANT SELECT ON ALL TABLES IN SCHEMA portal, care TO seatledger_api;

-- As adapters/postgres/row_policies.py puts them on each table that a rebuild makes.
DO $$
DECLARE
    name regclass;
BEGIN
    FOR name IN
        SELECT a.attrelid::regclass FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE a.attname = 'account_id' AND c.relkind = 'r'
          AND (a.attrelid IN ('ledger.vault'::regclass, 'projecting.parked'::regclass) OR c.relnamespace IN (
              SELECT to_regnamespace(projection) FROM projecting.read_models))
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenants ON %s FOR SELECT TO seatledger_api USING (' ||
            'account_id = ANY ((SELECT nullif(current_setting(%L, true), %L)::uuid[])::uuid[])' ||
            ' OR (SELECT current_setting(%L, true) = %L))',
            name, 'seatledger.accounts', '', 'seatledger.every_account', 'on');
        EXECUTE format('CREATE POLICY application ON %s FOR ALL TO seatledger_app USING (true)', name);
        EXECUTE format('CREATE POLICY reports ON %s FOR SELECT TO seatledger_reader USING (true)', name);
    END LOOP;
    IF to_regclass('portal.accounts') IS NOT NULL THEN
        CREATE POLICY territories ON portal.accounts FOR SELECT TO seatledger_api USING (
            territory = ANY ((SELECT nullif(current_setting('seatledger.territories', true), '')::text[])::text[]));
    END IF;
END
$$;

-- What others read has names of its own, so that tables can change behind them. The views on read models are made with
-- the read model (adapters/postgres/views.py).
CREATE SCHEMA finance;
CREATE SCHEMA investigation;
CREATE VIEW investigation.events AS
SELECT notification_id AS position, originator_id AS stream_id, originator_version AS version, topic,
       convert_from(state, 'UTF8') AS content, event_id, account_id, recorded_at, effective_at, actor_id, actor_role,
       on_behalf_of, correlation_id, causation_id, idempotency_key
FROM ledger.events;
CREATE VIEW investigation.access_log AS SELECT * FROM ledger.access_log;
GRANT USAGE ON SCHEMA finance TO seatledger_finance;
GRANT USAGE ON SCHEMA investigation TO seatledger_investigator;
GRANT SELECT ON investigation.events, investigation.access_log TO seatledger_investigator;
RESET ROLE;
