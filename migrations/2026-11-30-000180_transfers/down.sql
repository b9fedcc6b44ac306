ALTER TABLE consultation DROP COLUMN transferred_at;
DROP TABLE consultation_transfer;
