-- Keys that stay taken, follow-up, events and their chain, leases, and what people search by.

ALTER TABLE outbound ADD COLUMN fingerprint TEXT;
-- 1 while no other message may have the key.
ALTER TABLE outbound ADD COLUMN key_held INTEGER NOT NULL DEFAULT 1;
-- 1 when the key is held for ever, 0 when settling frees it.
ALTER TABLE outbound ADD COLUMN key_stays INTEGER NOT NULL DEFAULT 0;
-- 1 when the source's system is told of every change.
ALTER TABLE outbound ADD COLUMN tell INTEGER NOT NULL DEFAULT 0;
-- When the message is to be looked after again.
ALTER TABLE outbound ADD COLUMN due_at INTEGER;
UPDATE outbound SET key_held = 0 WHERE settled_at IS NOT NULL;
-- What an earlier release sent in the last six days is followed as well. Of older messages MESH tells nothing more.
UPDATE outbound SET due_at = updated_at
    WHERE state_name = 'accepted' AND updated_at > (unixepoch() - 6 * 86400) * 1000000;

DROP INDEX outbound_source;
CREATE UNIQUE INDEX outbound_key ON outbound (adapter, source_key) WHERE key_held = 1;
CREATE INDEX outbound_due ON outbound (mailbox, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbound_message_id ON outbound (mailbox, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX outbound_unended ON outbound (mailbox, received_at, relay_id)
    WHERE state_name IN ('received', 'sending', 'uploading', 'in_doubt');
DROP INDEX outbound_state;
CREATE INDEX outbound_state ON outbound (state_name, received_at, relay_id);
CREATE INDEX outbound_received ON outbound (received_at, relay_id);
CREATE INDEX outbound_mailbox ON outbound (mailbox, received_at, relay_id);
CREATE INDEX outbound_partner ON outbound (recipient, received_at, relay_id);
CREATE INDEX outbound_workflow ON outbound (workflow, received_at, relay_id);

ALTER TABLE inbound ADD COLUMN sender TEXT;
ALTER TABLE inbound ADD COLUMN workflow TEXT;
ALTER TABLE inbound ADD COLUMN local_id TEXT;
ALTER TABLE inbound ADD COLUMN file_name TEXT;
ALTER TABLE inbound ADD COLUMN report INTEGER;
CREATE INDEX inbound_unended ON inbound (mailbox, received_at, relay_id)
    WHERE state_name IN ('listed', 'delivering', 'delivered');
DROP INDEX inbound_state;
CREATE INDEX inbound_state ON inbound (state_name, received_at, relay_id);
CREATE INDEX inbound_received ON inbound (received_at, relay_id);
CREATE INDEX inbound_mailbox ON inbound (mailbox, received_at, relay_id);
CREATE INDEX inbound_partner ON inbound (sender, received_at, relay_id);
CREATE INDEX inbound_workflow ON inbound (workflow, received_at, relay_id);

-- One row for each change of a message: its history, the event that is told, and a link of the audit chain. `hash` is
-- over the link and the hash before it (relay-core, `audit`); the migration fills it in for rows of earlier releases.
CREATE TABLE event (
    number     INTEGER PRIMARY KEY,
    relay_id   BLOB    NOT NULL,
    direction  TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    state_name TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    note       TEXT,
    -- The adapter whose system is still to be told.
    untold     TEXT,
    hash       BLOB    NOT NULL
) STRICT;
INSERT INTO event (number, relay_id, direction, sequence, at, state_name, state, hash)
    SELECT row_number() OVER (ORDER BY seq), relay_id, direction,
           row_number() OVER (PARTITION BY relay_id ORDER BY seq), at, state_name, state, x''
    FROM transition ORDER BY seq;
DROP TABLE transition;
CREATE UNIQUE INDEX event_message ON event (relay_id, sequence);
CREATE INDEX event_untold ON event (untold, number) WHERE untold IS NOT NULL;

-- Where the chain begins: the link before the first one kept.
CREATE TABLE chain (
    name        TEXT    NOT NULL PRIMARY KEY,
    base_number INTEGER NOT NULL,
    base_hash   BLOB    NOT NULL
) STRICT;
INSERT INTO chain VALUES ('local', 0, zeroblob(32));

CREATE TABLE lease (
    name  TEXT    NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT;

CREATE TABLE mailbox (
    id           TEXT NOT NULL PRIMARY KEY,
    polled_at    INTEGER,
    handshake_at INTEGER
) STRICT;

-- The words of each message; `rowid` is that of the message's own table. The text itself is not kept a second time.
CREATE VIRTUAL TABLE outbound_words USING fts5(text, content='', contentless_delete=1);
CREATE VIRTUAL TABLE inbound_words USING fts5(text, content='', contentless_delete=1);
INSERT INTO outbound_words (rowid, text)
    SELECT rowid, concat_ws(' ', lower(hex(relay_id)), message_id, mailbox, recipient, workflow, local_id, file_name)
    FROM outbound;
INSERT INTO inbound_words (rowid, text)
    SELECT rowid, concat_ws(' ', lower(hex(relay_id)), message_id, mailbox) FROM inbound;
