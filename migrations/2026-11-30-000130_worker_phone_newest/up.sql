-- The newest workers with a phone, in the order of the index: walk-ins are a new row at every visit.
CREATE INDEX worker_phone_newest ON worker (phone_index, id);
DROP INDEX worker_phone;
