DROP INDEX letter_staff;
DROP INDEX letter_state;
ALTER TABLE letter DROP COLUMN failed_at;
ALTER TABLE letter DROP COLUMN reply_code;
ALTER TABLE letter DROP COLUMN trouble;
ALTER TABLE letter DROP COLUMN email;
ALTER TABLE letter DROP COLUMN state;
