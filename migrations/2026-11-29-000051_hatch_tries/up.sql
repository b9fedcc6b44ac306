-- Too many wrong pickup codes pause an order and end nothing.
ALTER TABLE orders ADD COLUMN pickup_locked_until TIMESTAMPTZ;
-- The wrong code that was counted last at each cabinet, as a keyed digest, and
-- against which order: typed once, it counts once.
CREATE TABLE hatch_try (
  cabinet_id UUID PRIMARY KEY NOT NULL REFERENCES cabinet (id),
  code_index BYTEA NOT NULL,
  order_id UUID NOT NULL REFERENCES orders (id),
  tried_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX hatch_try_order ON hatch_try (order_id);
