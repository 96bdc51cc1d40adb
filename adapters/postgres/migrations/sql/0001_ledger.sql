-- The ledger: events, the outcome of commands, the vault, and the one function that writes them.
-- Roles belong to the whole cluster, and other databases of it may have made them already.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['seatledger_owner', 'seatledger_app', 'seatledger_reader'] LOOP
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
END
$$;

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO seatledger_app, seatledger_reader', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO seatledger_owner', current_database());
END
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO seatledger_app;
GRANT SELECT ON public.alembic_version TO seatledger_app; -- each start compares it with what the program needs

CREATE SCHEMA ledger AUTHORIZATION seatledger_owner;
SET LOCAL ROLE seatledger_owner;

CREATE TABLE ledger.settings (
    name text PRIMARY KEY,
    value text NOT NULL
);
COMMENT ON TABLE ledger.settings IS 'What is fixed at the first start and can never change after, such as the number of partitions.';

CREATE TABLE ledger.events (
    -- the eventsourcing library's columns
    notification_id bigint PRIMARY KEY,
    originator_id uuid NOT NULL,
    originator_version integer NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL CHECK (octet_length(state) <= 262144),
    -- the envelope
    event_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    actor_id text NOT NULL,
    actor_role text NOT NULL,
    on_behalf_of text,
    correlation_id uuid NOT NULL,
    causation_id uuid NOT NULL,
    idempotency_key text,
    account_id uuid NOT NULL,
    partition smallint NOT NULL,
    UNIQUE (originator_id, originator_version)
);
CREATE INDEX events_by_partition ON ledger.events (partition, notification_id);

CREATE TABLE ledger.commands (
    command_id uuid PRIMARY KEY, -- uuid5(account, actor, Idempotency-Key), so this is unique by the three
    account_id uuid NOT NULL,
    actor_id text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint bytea NOT NULL,
    result_kind text NOT NULL,
    result_id uuid NOT NULL,
    result_version integer NOT NULL,
    position bigint NOT NULL,
    partition smallint NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE ledger.vault (
    id uuid NOT NULL,
    version integer NOT NULL,
    account_id uuid NOT NULL,
    kind text NOT NULL,
    salt bytea NOT NULL,
    canonical bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (id, version)
);

-- Appends many commands in one transaction. Arrays run in parallel: c_* one element a command, g_* one a version to
-- check, e_* one an event, v_* one a vault record; *_append counts commands from 1. No two commands of a call may
-- touch the same stream: the caller keeps the second for its next call. Returns the position before the first new
-- event, the time recorded, and the commands refused because a version or the command itself was there before;
-- the events of the others got consecutive positions in the order given.
CREATE FUNCTION ledger.append(
    c_command uuid[], c_account uuid[], c_actor text[], c_role text[], c_on_behalf_of text[], c_correlation uuid[],
    c_causation uuid[], c_key text[], c_fingerprint bytea[], c_kind text[], c_result uuid[], c_version integer[],
    c_end_stream uuid[], c_end_version integer[],
    g_append integer[], g_stream uuid[], g_version integer[],
    e_append integer[], e_stream uuid[], e_version integer[], e_topic text[], e_state bytea[], e_id uuid[],
    e_effective timestamptz[], e_account uuid[], e_partition smallint[],
    v_append integer[], v_id uuid[], v_version integer[], v_account uuid[], v_kind text[], v_salt bytea[],
    v_canonical bytea[],
    OUT base bigint, OUT recorded timestamptz, OUT refused integer[]
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
-- Without statistics (a fresh table) the planner would scan all events for each version check.
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET search_path = pg_catalog
AS $$
BEGIN
    -- A statement of its own: the next ones take their snapshots after the lock, so they see all that was appended.
    PERFORM pg_advisory_xact_lock(7238902345);

    SELECT e.notification_id, greatest(e.recorded_at, clock_timestamp()) INTO base, recorded
    FROM ledger.events e ORDER BY e.notification_id DESC LIMIT 1;
    IF base IS NULL THEN
        base := 0;
        recorded := clock_timestamp();
    END IF;

    refused := ARRAY(
        SELECT g.append
        FROM unnest(g_append, g_stream, g_version) AS g (append, stream, version)
        WHERE g.version <> COALESCE((
            SELECT e.originator_version FROM ledger.events e
            WHERE e.originator_id = g.stream ORDER BY e.originator_version DESC LIMIT 1
        ), 0)
        UNION
        SELECT c.append::integer
        FROM unnest(c_command) WITH ORDINALITY AS c (command, append)
        WHERE EXISTS (SELECT FROM ledger.commands known WHERE known.command_id = c.command)
    );

    INSERT INTO ledger.events (
        notification_id, originator_id, originator_version, topic, state, event_id, recorded_at, effective_at,
        actor_id, actor_role, on_behalf_of, correlation_id, causation_id, idempotency_key, account_id, partition)
    SELECT
        base + row_number() OVER (ORDER BY e.ordinal), e.stream, e.version, e.topic, e.state, e.id, recorded,
        e.effective, c.actor, c.role, c.on_behalf_of, c.correlation, c.causation, c.key, e.account, e.partition
    FROM unnest(e_append, e_stream, e_version, e_topic, e_state, e_id, e_effective, e_account, e_partition)
        WITH ORDINALITY
        AS e (append, stream, version, topic, state, id, effective, account, partition, ordinal)
    JOIN unnest(c_actor, c_role, c_on_behalf_of, c_correlation, c_causation, c_key) WITH ORDINALITY
        AS c (actor, role, on_behalf_of, correlation, causation, key, append) ON c.append = e.append
    WHERE e.append <> ALL (refused);

    INSERT INTO ledger.vault (id, version, account_id, kind, salt, canonical, recorded_at)
    SELECT v.id, v.version, v.account, v.kind, v.salt, v.canonical, recorded
    FROM unnest(v_append, v_id, v_version, v_account, v_kind, v_salt, v_canonical)
        AS v (append, id, version, account, kind, salt, canonical)
    WHERE v.append <> ALL (refused);

    INSERT INTO ledger.commands (
        command_id, account_id, actor_id, idempotency_key, fingerprint, result_kind, result_id, result_version,
        position, partition, recorded_at)
    SELECT c.command, c.account, c.actor, c.key, c.fingerprint, c.kind, c.result, c.version,
           ended.notification_id, ended.partition, recorded
    FROM unnest(c_command, c_account, c_actor, c_key, c_fingerprint, c_kind, c_result, c_version, c_end_stream,
                c_end_version) WITH ORDINALITY
        AS c (command, account, actor, key, fingerprint, kind, result, version, end_stream, end_version, append)
    CROSS JOIN LATERAL ( -- the command's last event: where a reader must have come to see all of it
        SELECT e.notification_id, e.partition FROM ledger.events e
        WHERE e.originator_id = c.end_stream AND e.originator_version = c.end_version
    ) AS ended
    WHERE c.key IS NOT NULL AND c.append <> ALL (refused);
END
$$;
REVOKE ALL ON FUNCTION ledger.append FROM PUBLIC;

-- Who works on which to-do entry. Not part of any to-do list, so that a list can be rebuilt while work goes on.
CREATE TABLE ledger.work_claims (
    list text NOT NULL,
    entry_id uuid NOT NULL,
    owner text NOT NULL,
    token bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    tries integer NOT NULL,
    PRIMARY KEY (list, entry_id)
);

CREATE SCHEMA projecting AUTHORIZATION seatledger_owner;
-- A projection's progress in one partition of the log, and who may move it. `log_identity` names the log that the
-- position belongs to: another topic or store with the same numbers would otherwise be read on in silence.
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

GRANT USAGE ON SCHEMA ledger, projecting TO seatledger_app, seatledger_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO seatledger_app;
GRANT EXECUTE ON FUNCTION ledger.append TO seatledger_app;
GRANT INSERT ON ledger.settings TO seatledger_app;
GRANT INSERT, UPDATE, DELETE ON ledger.work_claims TO seatledger_app;
GRANT SELECT, INSERT, UPDATE ON projecting.checkpoints TO seatledger_app;
GRANT SELECT ON ledger.events, ledger.settings, projecting.checkpoints TO seatledger_reader;
RESET ROLE;
