DROP TABLE audit_seal;
DROP TABLE server_key;
DROP TABLE letter;
DROP TABLE idempotency;
DROP TABLE event;
