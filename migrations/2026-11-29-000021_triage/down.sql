DROP TABLE alert;
ALTER TABLE consultation DROP COLUMN red_flags;
DROP INDEX check_in_measure_again;
ALTER TABLE check_in DROP COLUMN measure_again_by;
ALTER TABLE check_in DROP COLUMN symptoms;
