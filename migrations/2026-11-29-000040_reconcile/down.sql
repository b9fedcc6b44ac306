DROP INDEX attempt_other_lot;
ALTER TABLE attempt DROP COLUMN other_lot_no;
ALTER TABLE cabinet_boot DROP COLUMN token_at;
ALTER TABLE cabinet_boot DROP COLUMN mono_ms;
DROP TABLE cabinet_discrepancy;
