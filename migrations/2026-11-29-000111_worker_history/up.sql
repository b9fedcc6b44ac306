-- What is read of a worker must not cost more with their years. Packs are found by their end, readings
-- by their arrival, prescriptions while they are in effect.
DROP INDEX order_unit_worker;
CREATE INDEX order_unit_worker ON order_unit (worker_id, ended_at);
DROP INDEX reading_worker;
CREATE INDEX reading_worker ON reading (worker_id, recorded_at);
CREATE INDEX prescription_in_effect ON prescription (worker_id) WHERE state IN ('signed', 'approved');
