-- Incidents whose end was not told yet, so that a start tells none of them again. `entry` is JSON.
CREATE TABLE incident (
    owner TEXT NOT NULL,
    id    TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;
