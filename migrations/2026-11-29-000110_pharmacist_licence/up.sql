-- A pharmacist's licence, stored as a doctor's is. Pharmacists of earlier versions have no row: their
-- licence is unknown, and they approve nothing until an operator has recorded it.
CREATE TABLE pharmacist (
  staff_id UUID PRIMARY KEY NOT NULL REFERENCES staff (id),
  licence_no TEXT NOT NULL UNIQUE,
  licence_verified_at TIMESTAMPTZ,
  licence_valid_until DATE NOT NULL,
  released_licence_no TEXT
);
