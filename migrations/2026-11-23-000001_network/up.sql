-- The places and institutions. One text serves SQLite and PostgreSQL: UUID,
-- TIMESTAMPTZ and BYTEA are only affinities to SQLite.
CREATE TABLE hospital (
  id UUID PRIMARY KEY NOT NULL,
  code TEXT NOT NULL UNIQUE,
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  district TEXT NOT NULL,
  weight INTEGER NOT NULL CHECK (weight > 0),
  virtual_time BIGINT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE employer (
  id UUID PRIMARY KEY NOT NULL,
  code TEXT NOT NULL UNIQUE,
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE station (
  id UUID PRIMARY KEY NOT NULL,
  code TEXT NOT NULL UNIQUE,
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  district TEXT NOT NULL,
  latitude_e6 INTEGER NOT NULL,
  longitude_e6 INTEGER NOT NULL,
  encounter_lanes TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  retired_at TIMESTAMPTZ
);
CREATE TABLE cabinet (
  id UUID PRIMARY KEY NOT NULL,
  station_id UUID NOT NULL UNIQUE REFERENCES station (id),
  lane TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  boot_id TEXT,
  booted_at TIMESTAMPTZ,
  acked_seq BIGINT NOT NULL,
  journal_head TEXT NOT NULL,
  door_open BOOLEAN NOT NULL,
  tampered BOOLEAN NOT NULL,
  heard_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE device (
  id UUID PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('station', 'cabinet')),
  station_id UUID NOT NULL REFERENCES station (id),
  cabinet_id UUID REFERENCES cabinet (id),
  epoch BIGINT NOT NULL,
  public_key TEXT NOT NULL,
  enrolled_at TIMESTAMPTZ NOT NULL,
  revoked_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX device_live ON device (station_id, kind) WHERE revoked_at IS NULL;
CREATE TABLE enrolment_code (
  digest BYTEA PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('station', 'cabinet')),
  station_id UUID NOT NULL REFERENCES station (id),
  created_by UUID NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ
);
CREATE TABLE used_assertion (
  digest BYTEA PRIMARY KEY NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX used_assertion_expiry ON used_assertion (expires_at);
