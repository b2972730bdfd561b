-- The ledger, version 1. Totals and what they were charged for are written in one transaction, always.

CREATE TABLE cluster (
    id     INTEGER PRIMARY KEY,
    name   TEXT    NOT NULL UNIQUE,
    url    TEXT    NOT NULL,            -- where it was last seen, without credentials: finds the name again
    lists  INTEGER NOT NULL DEFAULT 0,  -- good lists so far
    listed REAL,                        -- time of the last one
    memo   TEXT    NOT NULL DEFAULT '{}' -- JSON: what completeness has to remember
);

CREATE TABLE query (
    cluster             INTEGER NOT NULL,
    id                  TEXT    NOT NULL,
    coordinator         TEXT    NOT NULL,
    user                TEXT    NOT NULL, -- label values, not names
    source              TEXT    NOT NULL,
    outcome             TEXT    NOT NULL, -- '' until the end is counted
    lost                INTEGER NOT NULL,
    cpu_seconds         REAL    NOT NULL,
    failed_cpu_seconds  REAL    NOT NULL,
    input_bytes         REAL    NOT NULL,
    input_rows          REAL    NOT NULL,
    memory_byte_seconds REAL    NOT NULL,
    queued_seconds      REAL    NOT NULL,
    elapsed_seconds     REAL    NOT NULL,
    last_listed         REAL,             -- NULL: it is in the last list
    lists               INTEGER,          -- cluster.lists when it was last listed
    PRIMARY KEY (cluster, id)
) WITHOUT ROWID;

CREATE INDEX query_unlisted ON query (cluster, coordinator, last_listed) WHERE last_listed IS NOT NULL;

CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    labels  TEXT    NOT NULL,  -- JSON array of values
    total   REAL    NOT NULL,
    born    REAL    NOT NULL,
    shown   INTEGER NOT NULL,  -- 1: has shown its value; never shows 0 again
    UNIQUE (cluster, name, labels)
);

CREATE TABLE label_value (
    cluster INTEGER NOT NULL,
    label   TEXT    NOT NULL,
    value   TEXT    NOT NULL,
    PRIMARY KEY (cluster, label, value)
) WITHOUT ROWID;

CREATE TABLE statement (  -- of fingerprints that have series of their own, in any cluster
    fingerprint TEXT PRIMARY KEY,
    query_type  TEXT NOT NULL,
    template    TEXT NOT NULL  -- without literals
) WITHOUT ROWID;
