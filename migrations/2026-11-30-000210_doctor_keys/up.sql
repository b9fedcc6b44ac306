-- The keys with which doctors sign, and their certificates. Rows stay: what a key signed is verified with
-- them for as long as prescriptions are kept. The private part is destroyed when the key ends, and is absent
-- where a certificate authority's service holds it.
CREATE TABLE doctor_key (
  id UUID PRIMARY KEY NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  algorithm TEXT NOT NULL,
  private_sealed BYTEA,
  certificate BYTEA NOT NULL,
  issued_by TEXT NOT NULL,
  valid_from TIMESTAMPTZ NOT NULL,
  valid_until TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  end_reason TEXT,
  CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE UNIQUE INDEX doctor_key_live ON doctor_key (staff_id) WHERE ended_at IS NULL;
CREATE INDEX doctor_key_of ON doctor_key (staff_id, id);
CREATE INDEX doctor_key_private ON doctor_key (valid_until) WHERE private_sealed IS NOT NULL;
