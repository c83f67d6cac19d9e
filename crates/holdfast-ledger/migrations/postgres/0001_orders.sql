-- Who may write for a sale, and how many orders it has.
CREATE TABLE sales (
    sale TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    orders BIGINT NOT NULL DEFAULT 0
);

-- The capacity guard: whatever the engine says, no row can have sold more than there is.
CREATE TABLE tiers (
    sale TEXT NOT NULL REFERENCES sales (sale),
    tier TEXT NOT NULL,
    capacity BIGINT NOT NULL,
    sold BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (sale, tier),
    CHECK (0 <= sold AND sold <= capacity)
);

CREATE TABLE orders (
    sale TEXT NOT NULL REFERENCES sales (sale),
    -- Place in the sale, from 1, without gaps.
    number BIGINT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    hold BIGINT NOT NULL,
    buyer TEXT NOT NULL,
    tier TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    -- Minor units.
    amount BIGINT NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    provider TEXT NOT NULL,
    payment TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('authorised', 'paid', 'void', 'refunded')),
    reason TEXT,
    metadata TEXT,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    refund_asked_ms BIGINT,
    PRIMARY KEY (sale, number),
    UNIQUE (sale, hold),
    FOREIGN KEY (sale, tier) REFERENCES tiers (sale, tier)
);

CREATE INDEX orders_of_buyer ON orders (buyer);

-- What the reconciler looks for.
CREATE INDEX orders_refunds ON orders (sale, number) WHERE refund_asked_ms IS NOT NULL;

-- What is still to be told to others, written with what it tells.
CREATE TABLE outbox (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sale TEXT NOT NULL,
    order_number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    FOREIGN KEY (sale, order_number) REFERENCES orders (sale, number)
);
