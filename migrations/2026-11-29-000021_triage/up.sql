-- What a worker said at the screen, as a JSON list of codes; and until when a
-- single extreme waits for its second measurement.
ALTER TABLE check_in ADD COLUMN symptoms TEXT;
ALTER TABLE check_in ADD COLUMN measure_again_by TIMESTAMPTZ;
CREATE INDEX check_in_measure_again ON check_in (measure_again_by) WHERE measure_again_by IS NOT NULL;
-- Why a consultation is an emergency, as a JSON list of codes.
ALTER TABLE consultation ADD COLUMN red_flags TEXT;
-- An emergency that an operator must see to; one open at a time per check-in.
CREATE TABLE alert (
  id UUID PRIMARY KEY NOT NULL,
  check_in_id UUID NOT NULL REFERENCES check_in (id),
  worker_id UUID NOT NULL REFERENCES worker (id),
  station_id UUID NOT NULL REFERENCES station (id),
  consultation_id UUID REFERENCES consultation (id),
  red_flags TEXT NOT NULL,
  raised_at TIMESTAMPTZ NOT NULL,
  closed_at TIMESTAMPTZ,
  closed_by UUID REFERENCES staff (id),
  note_sealed BYTEA
);
CREATE UNIQUE INDEX alert_of_check_in ON alert (check_in_id) WHERE closed_at IS NULL;
CREATE INDEX alert_check_in ON alert (check_in_id, id);
CREATE INDEX alert_open ON alert (id) WHERE closed_at IS NULL;
CREATE INDEX alert_worker ON alert (worker_id);
