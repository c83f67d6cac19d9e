-- Whose ledger it is: one row at most.
CREATE TABLE owner (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    owner TEXT NOT NULL
);
