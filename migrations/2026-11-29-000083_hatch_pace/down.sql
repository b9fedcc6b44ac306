ALTER TABLE orders ADD COLUMN pickup_locked_until TIMESTAMPTZ;
ALTER TABLE hatch_try DROP COLUMN failures;
