-- Counts the commits about a mailbox, so that each of them writes: whoever would know whether the journal takes anything
-- makes one that says nothing else.
ALTER TABLE mailbox ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
