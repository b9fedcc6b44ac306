DROP INDEX doctor_free;
DROP INDEX offer_refused;
CREATE INDEX consultation_department ON consultation (department, requested_at) WHERE state IN ('waiting', 'offered');
CREATE INDEX consultation_emergency ON consultation (requested_at) WHERE state = 'waiting' AND triage = 'emergency';
CREATE INDEX consultation_queue ON consultation (ranked_since) WHERE state = 'waiting';
DROP INDEX consultation_rank;
DROP INDEX consultation_front;
ALTER TABLE consultation DROP COLUMN queue;
