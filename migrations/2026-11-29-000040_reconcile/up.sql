-- Where a cabinet and the books differ: nothing starts before they agree.
CREATE TABLE cabinet_discrepancy (
  cabinet_id UUID NOT NULL REFERENCES cabinet (id),
  kind TEXT NOT NULL,
  -- 0: the cabinet as a whole.
  slot_no INTEGER NOT NULL,
  detail TEXT NOT NULL,
  since TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (cabinet_id, kind, slot_no)
);
-- How far the clock of a boot was heard to run, in milliseconds since it began,
-- and when the newest token was made with which it spoke.
ALTER TABLE cabinet_boot ADD COLUMN mono_ms BIGINT;
ALTER TABLE cabinet_boot ADD COLUMN token_at TIMESTAMPTZ;
-- The lot that came out, where it was not the one that was authorised.
ALTER TABLE attempt ADD COLUMN other_lot_no TEXT;
CREATE INDEX attempt_other_lot ON attempt (product_code, other_lot_no) WHERE other_lot_no IS NOT NULL;
