-- What the safety check found at a sale over the counter, and which warnings
-- the buyer accepted: sealed, for it speaks of health. Older orders have none.
ALTER TABLE orders ADD COLUMN safety_sealed BYTEA;
