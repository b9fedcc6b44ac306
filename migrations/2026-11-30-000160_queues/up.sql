-- The queue in which a consultation waits: all of it that decides who may serve it and how fast it
-- moves up. The distributor finds the queues of a department and their fronts by index.
ALTER TABLE consultation ADD COLUMN queue TEXT NOT NULL DEFAULT '';
UPDATE consultation SET queue = department || '/' || triage || '/' || language || '/text/'
  || (SELECT district FROM station WHERE station.id = consultation.station_id)
WHERE state IN ('waiting', 'offered', 'active');
CREATE INDEX consultation_front ON consultation (department, queue, requested_at, id)
  WHERE state = 'waiting' AND left_at IS NULL;
-- Places in the queue of a department.
CREATE INDEX consultation_rank ON consultation (department, ranked_since)
  WHERE state = 'waiting' AND left_at IS NULL;
DROP INDEX consultation_queue;
DROP INDEX consultation_emergency;
DROP INDEX consultation_department;
-- Who refused a consultation lately.
CREATE INDEX offer_refused ON offer (answered_at) WHERE state IN ('declined', 'expired');
CREATE INDEX doctor_free ON doctor (staff_id) WHERE presence = 'available' AND live < capacity;
