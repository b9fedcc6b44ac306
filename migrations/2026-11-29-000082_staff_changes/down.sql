DROP TABLE email_change;
UPDATE doctor SET licence_no = released_licence_no WHERE released_licence_no IS NOT NULL;
UPDATE staff SET email = released_email WHERE released_email IS NOT NULL;
ALTER TABLE shift DROP COLUMN version;
ALTER TABLE doctor DROP COLUMN released_licence_no;
ALTER TABLE staff DROP COLUMN reset_asked_at;
ALTER TABLE staff DROP COLUMN reset_asked_by;
ALTER TABLE staff DROP COLUMN released_email;
ALTER TABLE staff DROP COLUMN version;
