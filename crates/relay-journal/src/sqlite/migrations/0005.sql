-- What people did and what they paused, and when messages were accepted and collected.

-- Append-only: one row for each deed. `hash` is over the deed and the hash before it (relay-core, `deed`).
CREATE TABLE deed (
    chain      TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    who        TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    relay_id   BLOB,
    mailbox    TEXT,
    message_id TEXT,
    note       TEXT,
    hash       BLOB    NOT NULL,
    PRIMARY KEY (chain, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX deed_at ON deed (at, chain, number);
CREATE INDEX deed_message ON deed (relay_id, at, chain, number) WHERE relay_id IS NOT NULL;

-- Where the chain of deeds ends, and the deed before the first one kept.
CREATE TABLE deed_chain (
    name        TEXT    NOT NULL PRIMARY KEY,
    number      INTEGER NOT NULL,
    hash        BLOB    NOT NULL,
    base_number INTEGER NOT NULL,
    base_hash   BLOB    NOT NULL
) STRICT;
INSERT INTO deed_chain VALUES ('local', 0, zeroblob(32), 0, zeroblob(32));

CREATE TABLE pause (
    kind      TEXT    NOT NULL CHECK (kind IN ('mailbox', 'adapter')),
    name      TEXT    NOT NULL,
    paused_by TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- When MESH first had it, and when it was first known to be collected.
ALTER TABLE outbound ADD COLUMN accepted_at INTEGER;
ALTER TABLE outbound ADD COLUMN collected_at INTEGER;
-- What happened to an accepted message since has put its acceptance out of its state; its history still has it, as long as
-- that is kept. These times are exact to the millisecond.
UPDATE outbound SET
    accepted_at = CAST(round(1000000 * unixepoch(COALESCE(
        (SELECT json_extract(event.state, '$.accepted.at') FROM event
         WHERE event.relay_id = outbound.relay_id AND event.direction = 'outbound' AND event.state_name = 'accepted'
             AND json_valid(event.state)
         ORDER BY sequence LIMIT 1),
        CASE WHEN state_name = 'accepted' AND json_valid(state) THEN json_extract(state, '$.accepted.at') END
    ), 'subsec')) AS INTEGER),
    collected_at = CAST(round(1000000 * unixepoch(
        CASE WHEN state_name = 'acknowledged' AND json_valid(state) THEN json_extract(state, '$.acknowledged.at') END,
    'subsec')) AS INTEGER)
    WHERE state_name IN ('accepted', 'acknowledged', 'undelivered', 'unknown_outcome');
