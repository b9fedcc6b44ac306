ALTER TABLE shift DROP COLUMN department;
