-- The first shape of the journal. Times are microseconds since 1970, UTC. States are JSON, and their names stand
-- beside them so that people can search.
PRAGMA application_id = 1297238577;

CREATE TABLE outbound (
    relay_id    BLOB    NOT NULL PRIMARY KEY,
    adapter     TEXT    NOT NULL,
    source_key  TEXT    NOT NULL,
    mailbox     TEXT    NOT NULL,
    recipient   TEXT,
    workflow    TEXT,
    local_id    TEXT,
    file_name   TEXT,
    length      INTEGER,
    message_id  TEXT,
    received_at INTEGER NOT NULL,
    state_name  TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    settled_at  INTEGER
) STRICT;

-- A key is taken until the source has let go of its message; then it may come again.
CREATE UNIQUE INDEX outbound_source ON outbound (adapter, source_key) WHERE settled_at IS NULL;
CREATE INDEX outbound_local_id ON outbound (mailbox, local_id);
CREATE INDEX outbound_unsettled ON outbound (adapter, received_at, relay_id) WHERE settled_at IS NULL;
-- For counting without reading the rows.
CREATE INDEX outbound_state ON outbound (state_name);

CREATE TABLE inbound (
    relay_id    BLOB    NOT NULL PRIMARY KEY,
    mailbox     TEXT    NOT NULL,
    message_id  TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    state_name  TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (mailbox, message_id)
) STRICT;

CREATE INDEX inbound_state ON inbound (state_name);

-- Append-only: one row for each change of a message, the first included.
CREATE TABLE transition (
    seq        INTEGER PRIMARY KEY,
    relay_id   BLOB    NOT NULL,
    direction  TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    state_name TEXT    NOT NULL,
    state      TEXT    NOT NULL
) STRICT;
