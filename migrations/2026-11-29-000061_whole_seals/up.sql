-- Version 1 of a seal covers no `worker_id` and no `staff_id` of its events, and
-- its signature covers position and head alone. Version 2 covers every column,
-- and signs the number of events and the time as well.
ALTER TABLE audit_seal ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE audit_seal ADD COLUMN events BIGINT;
