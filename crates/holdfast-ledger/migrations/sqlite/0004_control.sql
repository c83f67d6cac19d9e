-- Which reign is in force over the whole store, and what its nodes keep there: one row, always. At
-- version 0 nobody has set it yet.
CREATE TABLE control (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

INSERT INTO control (one, version, epoch, document) VALUES (1, 0, 0, '');
