-- The catalogue, and prescriptions out of its formulary part.
CREATE TABLE product (
  code TEXT PRIMARY KEY NOT NULL,
  generic_zh TEXT NOT NULL,
  generic_en TEXT NOT NULL,
  atc TEXT NOT NULL,
  class TEXT NOT NULL,
  in_formulary BOOLEAN NOT NULL,
  price_fen BIGINT NOT NULL CHECK (price_fen >= 0),
  body TEXT NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX product_formulary ON product (code) WHERE in_formulary;
CREATE TABLE prescription (
  id UUID PRIMARY KEY NOT NULL,
  consultation_id UUID NOT NULL REFERENCES consultation (id),
  worker_id UUID NOT NULL REFERENCES worker (id),
  doctor_id UUID NOT NULL REFERENCES staff (id),
  hospital_id UUID NOT NULL REFERENCES hospital (id),
  state TEXT NOT NULL,
  version BIGINT NOT NULL,
  body_sealed BYTEA NOT NULL,
  canonical_sealed BYTEA,
  signature TEXT,
  signed_at TIMESTAMPTZ,
  valid_until TIMESTAMPTZ,
  reviewed_by UUID REFERENCES staff (id),
  reviewed_at TIMESTAMPTZ,
  reason_sealed BYTEA,
  created_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  CHECK (reviewed_by IS NULL OR reviewed_by <> doctor_id)
);
CREATE INDEX prescription_consultation ON prescription (consultation_id);
-- One open prescription per consultation.
CREATE UNIQUE INDEX prescription_open ON prescription (consultation_id)
  WHERE state IN ('draft', 'signed', 'returned', 'approved');
CREATE INDEX prescription_review ON prescription (signed_at) WHERE state = 'signed';
CREATE INDEX prescription_worker ON prescription (worker_id, id);
CREATE INDEX prescription_doctor ON prescription (doctor_id, id);
CREATE INDEX prescription_validity ON prescription (valid_until) WHERE state IN ('signed', 'approved');
CREATE TABLE prescription_line (
  prescription_id UUID NOT NULL REFERENCES prescription (id),
  line_no INTEGER NOT NULL,
  product_code TEXT NOT NULL REFERENCES product (code),
  dose_units_thousandths BIGINT NOT NULL,
  times_per_day INTEGER NOT NULL,
  days INTEGER NOT NULL,
  packs INTEGER NOT NULL CHECK (packs > 0),
  PRIMARY KEY (prescription_id, line_no)
);
