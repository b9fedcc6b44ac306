-- Consultations that a doctor handed on: to a department or to a doctor, and why. Who reads the record
-- of one that was never transferred reads no row here.
CREATE TABLE consultation_transfer (
  id UUID PRIMARY KEY NOT NULL,
  consultation_id UUID NOT NULL REFERENCES consultation (id),
  from_doctor UUID NOT NULL REFERENCES staff (id),
  to_department TEXT,
  to_doctor UUID REFERENCES staff (id),
  reason_sealed BYTEA NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  CHECK ((to_department IS NULL) <> (to_doctor IS NULL))
);
CREATE INDEX consultation_transfer_of ON consultation_transfer (consultation_id, id);
ALTER TABLE consultation ADD COLUMN transferred_at TIMESTAMPTZ;
