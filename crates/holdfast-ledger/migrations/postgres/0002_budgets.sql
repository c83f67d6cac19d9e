-- Until when, in microseconds since 1970 UTC, the slots of a budget have been given out.
CREATE TABLE budgets (
    budget TEXT NOT NULL PRIMARY KEY,
    given_us BIGINT NOT NULL
);
