DROP TABLE text_message;
DROP TABLE phone_code;
DROP TABLE worker_identity;
ALTER TABLE check_in DROP COLUMN opened_as;
ALTER TABLE worker DROP COLUMN card_stopped_at;
ALTER TABLE worker DROP COLUMN phone_checked_at;
