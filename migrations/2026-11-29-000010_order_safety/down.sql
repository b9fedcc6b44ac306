ALTER TABLE orders DROP COLUMN safety_sealed;
