DROP INDEX prescription_in_effect;
DROP INDEX reading_worker;
CREATE INDEX reading_worker ON reading (worker_id, id);
DROP INDEX order_unit_worker;
CREATE INDEX order_unit_worker ON order_unit (worker_id, id);
