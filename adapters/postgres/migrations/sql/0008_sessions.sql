-- Who is signed in to pages. What the browser holds is not here: its SHA-256 is, so that a copy of the table opens nothing.
SET LOCAL ROLE seatledger_owner;

CREATE TABLE ledger.sign_ins (
    state_digest bytea PRIMARY KEY,
    browser_digest bytea NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    return_to text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sign_ins_by_time ON ledger.sign_ins (begun_at);

CREATE TABLE ledger.sessions (
    session_digest bytea PRIMARY KEY,
    actor_id text NOT NULL,
    actor_role text NOT NULL,
    accounts uuid[] NOT NULL,
    territories text[] NOT NULL,
    csrf_token text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sessions_by_actor ON ledger.sessions (actor_id);
CREATE INDEX sessions_by_time ON ledger.sessions (began_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.sign_ins, ledger.sessions TO seatledger_api, seatledger_app;
RESET ROLE;
