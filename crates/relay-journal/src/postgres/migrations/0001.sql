-- The first shape of the journal. Times are exact to the microsecond. States are JSON as text, to the letter as they
-- were hashed, and their names stand beside them so that people can search.

CREATE TABLE mesh_relay.outbound (
    relay_id    UUID        NOT NULL PRIMARY KEY,
    adapter     TEXT        NOT NULL,
    source_key  TEXT        NOT NULL,
    -- SHA-256 of the key, which may be longer than an index takes.
    key_hash    BYTEA       NOT NULL,
    key_held    BOOLEAN     NOT NULL,
    -- Whether the key may come again once the message is settled.
    key_returns BOOLEAN     NOT NULL,
    fingerprint TEXT,
    mailbox     TEXT        NOT NULL,
    recipient   TEXT,
    workflow    TEXT,
    local_id    TEXT,
    file_name   TEXT,
    length      BIGINT,
    message_id  TEXT,
    tell        BOOLEAN     NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    state_name  TEXT        NOT NULL,
    state       TEXT        NOT NULL,
    version     BIGINT      NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    due_at      TIMESTAMPTZ,
    settled_at  TIMESTAMPTZ,
    -- What a search looks in: the words that never change, and all of them.
    first_words TSVECTOR    NOT NULL,
    words       TSVECTOR    NOT NULL
);

CREATE UNIQUE INDEX outbound_key ON mesh_relay.outbound (adapter, key_hash) WHERE key_held;
CREATE INDEX outbound_sent ON mesh_relay.outbound (mailbox, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX outbound_local_id ON mesh_relay.outbound (mailbox, local_id, received_at, relay_id) WHERE local_id IS NOT NULL;
CREATE INDEX outbound_unsettled ON mesh_relay.outbound (adapter, received_at, relay_id) WHERE settled_at IS NULL;
CREATE INDEX outbound_due ON mesh_relay.outbound (mailbox, due_at, relay_id) WHERE due_at IS NOT NULL;
CREATE INDEX outbound_unended ON mesh_relay.outbound (mailbox, received_at, relay_id)
    WHERE state_name IN ('received', 'sending', 'uploading', 'in_doubt');
CREATE INDEX outbound_state ON mesh_relay.outbound (state_name);
CREATE INDEX outbound_received ON mesh_relay.outbound (received_at, relay_id);
CREATE INDEX outbound_mailbox ON mesh_relay.outbound (mailbox, received_at, relay_id);
CREATE INDEX outbound_partner ON mesh_relay.outbound (recipient, received_at, relay_id);
CREATE INDEX outbound_workflow ON mesh_relay.outbound (workflow, received_at, relay_id);
CREATE INDEX outbound_words ON mesh_relay.outbound USING gin (words);

CREATE TABLE mesh_relay.inbound (
    relay_id    UUID        NOT NULL PRIMARY KEY,
    mailbox     TEXT        NOT NULL,
    message_id  TEXT        NOT NULL,
    sender      TEXT,
    workflow    TEXT,
    local_id    TEXT,
    file_name   TEXT,
    report      BOOLEAN     NOT NULL DEFAULT FALSE,
    received_at TIMESTAMPTZ NOT NULL,
    state_name  TEXT        NOT NULL,
    state       TEXT        NOT NULL,
    version     BIGINT      NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    first_words TSVECTOR    NOT NULL,
    words       TSVECTOR    NOT NULL,
    UNIQUE (mailbox, message_id)
);

CREATE INDEX inbound_unended ON mesh_relay.inbound (mailbox, received_at, relay_id)
    WHERE state_name IN ('listed', 'delivering', 'delivered');
CREATE INDEX inbound_state ON mesh_relay.inbound (state_name);
CREATE INDEX inbound_received ON mesh_relay.inbound (received_at, relay_id);
CREATE INDEX inbound_mailbox ON mesh_relay.inbound (mailbox, received_at, relay_id);
CREATE INDEX inbound_partner ON mesh_relay.inbound (sender, received_at, relay_id);
CREATE INDEX inbound_workflow ON mesh_relay.inbound (workflow, received_at, relay_id);
CREATE INDEX inbound_words ON mesh_relay.inbound USING gin (words);

-- Append-only: one row for each change of a message, the first included. It is the message's history, the event that
-- is told, and a link of the audit chain.
CREATE TABLE mesh_relay.event (
    place      BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relay_id   UUID        NOT NULL,
    direction  TEXT        NOT NULL,
    sequence   BIGINT      NOT NULL,
    at         TIMESTAMPTZ NOT NULL,
    state_name TEXT        NOT NULL,
    state      TEXT        NOT NULL,
    note       TEXT,
    -- The adapter whose system has still to be told.
    untold_to  TEXT,
    chain      TEXT        NOT NULL,
    number     BIGINT      NOT NULL,
    hash       BYTEA       NOT NULL,
    UNIQUE (relay_id, direction, sequence),
    UNIQUE (chain, number)
);

CREATE INDEX event_untold ON mesh_relay.event (untold_to, place) WHERE untold_to IS NOT NULL;

-- Each instance's audit chain: its last link, and the last link that was pruned.
CREATE TABLE mesh_relay.chain (
    name          TEXT        NOT NULL PRIMARY KEY,
    number        BIGINT      NOT NULL,
    hash          BYTEA       NOT NULL,
    base_number   BIGINT      NOT NULL,
    base_hash     BYTEA       NOT NULL,
    -- The time up to which links may be missing because they were pruned.
    pruned_before TIMESTAMPTZ
);

-- Writes lock the row of their lease FOR KEY SHARE. With the epoch in a unique key, a take-over waits for them while a
-- renewal, which changes no key, does not.
CREATE TABLE mesh_relay.lease (
    name       TEXT        NOT NULL PRIMARY KEY,
    epoch      BIGINT      NOT NULL,
    owner      TEXT,
    expires_at TIMESTAMPTZ NOT NULL,
    UNIQUE (name, epoch)
);

CREATE TABLE mesh_relay.mailbox (
    mailbox      TEXT NOT NULL PRIMARY KEY,
    polled_at    TIMESTAMPTZ,
    handshake_at TIMESTAMPTZ
);
