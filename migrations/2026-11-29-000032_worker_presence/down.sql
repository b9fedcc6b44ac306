DROP INDEX consultation_left;
ALTER TABLE consultation DROP COLUMN cancel_reason;
ALTER TABLE consultation DROP COLUMN left_at;
