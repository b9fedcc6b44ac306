-- Workers and staff. Names and phones of workers are sealed; they are found by
-- a keyed digest (the blind index), never by their text.
CREATE TABLE worker (
  id UUID PRIMARY KEY NOT NULL,
  card_index BYTEA UNIQUE,
  name_sealed BYTEA NOT NULL,
  phone_sealed BYTEA NOT NULL,
  phone_index BYTEA NOT NULL,
  pin_salt BYTEA,
  pin_mac BYTEA,
  pin_failures INTEGER NOT NULL,
  pin_locked_until TIMESTAMPTZ,
  birth_date DATE,
  sex TEXT,
  job TEXT,
  employer_id UUID REFERENCES employer (id),
  language TEXT NOT NULL,
  merged_into UUID REFERENCES worker (id),
  created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX worker_phone ON worker (phone_index);
CREATE INDEX worker_employer ON worker (employer_id);
CREATE INDEX worker_merged ON worker (merged_into) WHERE merged_into IS NOT NULL;
CREATE TABLE health_profile (
  worker_id UUID PRIMARY KEY NOT NULL REFERENCES worker (id),
  version BIGINT NOT NULL,
  body_sealed BYTEA NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE consent (
  id UUID PRIMARY KEY NOT NULL,
  worker_id UUID NOT NULL REFERENCES worker (id),
  purpose TEXT NOT NULL,
  station_id UUID REFERENCES station (id),
  granted_at TIMESTAMPTZ NOT NULL,
  withdrawn_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX consent_live ON consent (worker_id, purpose) WHERE withdrawn_at IS NULL;
CREATE TABLE staff (
  id UUID PRIMARY KEY NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('doctor', 'pharmacist', 'operator', 'restocker', 'employer')),
  email TEXT NOT NULL UNIQUE,
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  hospital_id UUID REFERENCES hospital (id),
  employer_id UUID REFERENCES employer (id),
  password_hash TEXT,
  totp_sealed BYTEA,
  totp_step BIGINT NOT NULL,
  pin_salt BYTEA,
  pin_mac BYTEA,
  pin_failures INTEGER NOT NULL,
  pin_locked_until TIMESTAMPTZ,
  disabled_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX staff_role ON staff (role, id);
CREATE TABLE doctor (
  staff_id UUID PRIMARY KEY NOT NULL REFERENCES staff (id),
  hospital_id UUID NOT NULL REFERENCES hospital (id),
  licence_no TEXT NOT NULL UNIQUE,
  licence_verified_at TIMESTAMPTZ,
  licence_valid_until DATE NOT NULL,
  practising_since DATE NOT NULL,
  languages TEXT NOT NULL,
  capacity INTEGER NOT NULL CHECK (capacity > 0),
  presence TEXT NOT NULL CHECK (presence IN ('off', 'available', 'away')),
  idle_since TIMESTAMPTZ NOT NULL,
  live INTEGER NOT NULL CHECK (live >= 0 AND live <= capacity)
);
CREATE INDEX doctor_ready ON doctor (idle_since) WHERE presence = 'available';
CREATE TABLE doctor_department (
  doctor_id UUID NOT NULL REFERENCES doctor (staff_id),
  department TEXT NOT NULL,
  PRIMARY KEY (doctor_id, department)
);
CREATE TABLE shift (
  id UUID PRIMARY KEY NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  starts_at TIMESTAMPTZ NOT NULL,
  ends_at TIMESTAMPTZ NOT NULL,
  CHECK (ends_at > starts_at)
);
CREATE UNIQUE INDEX shift_start ON shift (staff_id, starts_at);
CREATE INDEX shift_end ON shift (ends_at);
CREATE TABLE session (
  id UUID PRIMARY KEY NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  version BIGINT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  active_at TIMESTAMPTZ NOT NULL,
  signing_until TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ
);
CREATE INDEX session_staff ON session (staff_id) WHERE revoked_at IS NULL;
CREATE TABLE refresh_token (
  digest BYTEA PRIMARY KEY NOT NULL,
  session_id UUID NOT NULL REFERENCES session (id),
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ
);
CREATE INDEX refresh_token_expiry ON refresh_token (expires_at);
CREATE TABLE staff_link (
  digest BYTEA PRIMARY KEY NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  purpose TEXT NOT NULL CHECK (purpose IN ('invite', 'reset')),
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ
);
