-- Who may write for a sale, and how many orders it has.
CREATE TABLE sales (
    sale TEXT NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL,
    orders INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The capacity guard: whatever the engine says, no row can have sold more than there is.
CREATE TABLE tiers (
    sale TEXT NOT NULL REFERENCES sales (sale),
    tier TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    sold INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sale, tier),
    CHECK (0 <= sold AND sold <= capacity)
) STRICT;

CREATE TABLE orders (
    sale TEXT NOT NULL REFERENCES sales (sale),
    -- Place in the sale, from 1, without gaps.
    number INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    hold INTEGER NOT NULL,
    buyer TEXT NOT NULL,
    tier TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    -- Minor units.
    amount INTEGER NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    provider TEXT NOT NULL,
    payment TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('authorised', 'paid', 'void', 'refunded')),
    reason TEXT,
    metadata TEXT,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    refund_asked_ms INTEGER,
    PRIMARY KEY (sale, number),
    UNIQUE (sale, hold),
    FOREIGN KEY (sale, tier) REFERENCES tiers (sale, tier)
) STRICT;

CREATE INDEX orders_of_buyer ON orders (buyer);

-- What the reconciler looks for.
CREATE INDEX orders_refunds ON orders (sale, number) WHERE refund_asked_ms IS NOT NULL;

-- What is still to be told to others, written with what it tells.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sale TEXT NOT NULL,
    order_number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    FOREIGN KEY (sale, order_number) REFERENCES orders (sale, number)
) STRICT;
