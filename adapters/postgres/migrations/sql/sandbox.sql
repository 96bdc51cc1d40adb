-- What the sandbox counterparties know. No part of the ledger: it refers to nothing of it, and nothing there refers here.
CREATE SCHEMA sandbox;

CREATE TABLE sandbox.books (
    book text NOT NULL,
    key text NOT NULL,
    document jsonb NOT NULL,
    inserted bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (book, key)
);
COMMENT ON TABLE sandbox.books IS 'Documents of the sandbox counterparties; an empty one counts as not there.';
