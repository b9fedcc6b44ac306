ALTER TABLE doctor DROP COLUMN heard_at;
