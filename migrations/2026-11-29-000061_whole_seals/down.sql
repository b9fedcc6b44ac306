ALTER TABLE audit_seal DROP COLUMN events;
ALTER TABLE audit_seal DROP COLUMN version;
