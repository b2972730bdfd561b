-- Version 2: usage by the hour and by the day, what every fingerprint stands for, fingerprints that are retired.

CREATE TABLE usage_name (  -- users, sources, places and errors of the tables below
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE usage (
    cluster              INTEGER NOT NULL,
    days                 INTEGER NOT NULL, -- 0: the period is an hour, 1: a day; each query is in both once its day is over
    start                INTEGER NOT NULL, -- of the period, Unix time, whole hours or days of UTC
    fingerprint          INTEGER NOT NULL, -- statement.id
    user                 INTEGER NOT NULL, -- usage_name.id of the label value, like all that follow
    source               INTEGER NOT NULL,
    place                INTEGER NOT NULL, -- JSON array of the session's catalog and schema where tables are named without
    finished             INTEGER NOT NULL,
    failed               INTEGER NOT NULL,
    canceled             INTEGER NOT NULL,
    repeated             INTEGER NOT NULL, -- finished queries whose very text had finished before within a day
    folded               INTEGER NOT NULL, -- of finished, failed and canceled: those that had a row of their own before
    cpu_seconds          REAL    NOT NULL,
    failed_cpu_seconds   REAL    NOT NULL,
    repeated_cpu_seconds REAL    NOT NULL,
    input_bytes          REAL    NOT NULL,
    input_rows           REAL    NOT NULL,
    memory_byte_seconds  REAL    NOT NULL,
    queued_seconds       REAL    NOT NULL,
    elapsed_seconds      REAL    NOT NULL,
    queued_counts        BLOB    NOT NULL, -- distributions of ended queries: account/distribution.py
    elapsed_counts       BLOB    NOT NULL,
    PRIMARY KEY (cluster, days, start, fingerprint, user, source, place)
) WITHOUT ROWID;

CREATE TABLE usage_error (
    cluster     INTEGER NOT NULL,
    days        INTEGER NOT NULL,
    start       INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    error       INTEGER NOT NULL, -- usage_name.id of the error's name
    queries     INTEGER NOT NULL, -- that ended with it
    PRIMARY KEY (cluster, days, start, fingerprint, user, error)
) WITHOUT ROWID;

CREATE TABLE statement_2 (  -- of fingerprints that have series of their own, or usage
    id          INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE, -- 'other' stands for those that were folded
    query_type  TEXT NOT NULL,
    read        TEXT NOT NULL,  -- JSON array of the tables as written
    written     TEXT NOT NULL,
    first_seen  REAL NOT NULL,
    template    TEXT NOT NULL   -- without literals; last, since it is long and seldom read
);

INSERT INTO statement_2 (fingerprint, query_type, template, read, written, first_seen)
SELECT fingerprint, query_type, template, '[]', '[]', 0 FROM statement;

DROP TABLE statement;

ALTER TABLE statement_2 RENAME TO statement;

ALTER TABLE label_value ADD COLUMN seen REAL NOT NULL DEFAULT 0; -- last time that a fingerprint was met, to the day

ALTER TABLE label_value ADD COLUMN retired INTEGER NOT NULL DEFAULT 0; -- 1: its series are shown no more, and keep
