-- Wrong pickup codes slow the hatch down where they are typed; no order pauses for them.
ALTER TABLE hatch_try ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders DROP COLUMN pickup_locked_until;
