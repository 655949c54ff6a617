-- What people did and what they paused, and when messages were accepted and collected.

-- Append-only: one row for each deed. `hash` is over the deed and the hash before it (relay-core, `deed`).
CREATE TABLE mesh_relay.deed (
    chain      TEXT        NOT NULL,
    number     BIGINT      NOT NULL,
    at         TIMESTAMPTZ NOT NULL,
    who        TEXT        NOT NULL,
    kind       TEXT        NOT NULL,
    relay_id   UUID,
    mailbox    TEXT,
    message_id TEXT,
    note       TEXT,
    hash       BYTEA       NOT NULL,
    PRIMARY KEY (chain, number)
);

CREATE INDEX deed_at ON mesh_relay.deed (at, chain, number);
CREATE INDEX deed_message ON mesh_relay.deed (relay_id, at, chain, number) WHERE relay_id IS NOT NULL;

-- Each instance's chain of deeds, beside that of its messages: its last deed, and the last one that was pruned.
ALTER TABLE mesh_relay.chain
    ADD COLUMN deed_number      BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN deed_hash        BYTEA  NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    ADD COLUMN deed_base_number BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN deed_base_hash   BYTEA  NOT NULL DEFAULT decode(repeat('00', 32), 'hex');

CREATE TABLE mesh_relay.pause (
    kind      TEXT        NOT NULL CHECK (kind IN ('mailbox', 'adapter')),
    name      TEXT        NOT NULL,
    paused_by TEXT        NOT NULL,
    at        TIMESTAMPTZ NOT NULL,
    reason    TEXT        NOT NULL,
    PRIMARY KEY (kind, name)
);

-- When MESH first had it, and when it was first known to be collected.
ALTER TABLE mesh_relay.outbound ADD COLUMN accepted_at TIMESTAMPTZ, ADD COLUMN collected_at TIMESTAMPTZ;
-- What happened to an accepted message since has put its acceptance out of its state; its history still has it, as long as
-- that is kept. The time is looked for as text, since a state that was damaged is no reason not to start.
UPDATE mesh_relay.outbound SET
    accepted_at = substring(COALESCE(
        (SELECT event.state FROM mesh_relay.event
         WHERE event.relay_id = outbound.relay_id AND event.direction = 'outbound' AND event.state_name = 'accepted'
         ORDER BY sequence LIMIT 1),
        CASE WHEN state_name = 'accepted' THEN state END
    ) FROM '"at":"([0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:]{8}[.]?[0-9]*Z)"')::timestamptz,
    collected_at = substring(
        CASE WHEN state_name = 'acknowledged' THEN state END
        FROM '"at":"([0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:]{8}[.]?[0-9]*Z)"')::timestamptz
    WHERE state_name IN ('accepted', 'acknowledged', 'undelivered', 'unknown_outcome');
