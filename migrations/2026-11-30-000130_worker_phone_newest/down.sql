CREATE INDEX worker_phone ON worker (phone_index);
DROP INDEX worker_phone_newest;
