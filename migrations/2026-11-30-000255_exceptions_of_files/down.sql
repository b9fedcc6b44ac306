ALTER TABLE shift_exception DROP COLUMN from_file;
