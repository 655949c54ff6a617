-- What an adapter needs to tell a message's system of its changes.

ALTER TABLE mesh_relay.outbound ADD COLUMN reply TEXT;
