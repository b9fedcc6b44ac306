DROP TABLE hatch_try;
ALTER TABLE orders DROP COLUMN pickup_locked_until;
