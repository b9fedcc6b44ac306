-- By what a person without a card is found again: a phone that a code proved
-- together with the name, or an identity document. `lookup` is a keyed digest.
-- A row without `checked_at` is a claim: it opens nothing.
ALTER TABLE worker ADD COLUMN phone_checked_at TIMESTAMPTZ;
-- A card that was reported lost.
ALTER TABLE worker ADD COLUMN card_stopped_at TIMESTAMPTZ;
-- The record by which the person was found, before merges were followed.
ALTER TABLE check_in ADD COLUMN opened_as UUID;
CREATE TABLE worker_identity (
  id UUID PRIMARY KEY NOT NULL,
  worker_id UUID NOT NULL REFERENCES worker (id),
  kind TEXT NOT NULL CHECK (kind IN ('phone', 'resident_id', 'passport', 'other')),
  lookup BYTEA NOT NULL,
  value_sealed BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  checked_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX worker_identity_checked ON worker_identity (lookup) WHERE checked_at IS NOT NULL;
CREATE INDEX worker_identity_lookup ON worker_identity (lookup);
CREATE INDEX worker_identity_worker ON worker_identity (worker_id);
-- Codes sent to phones, and the messages that carry them.
CREATE TABLE phone_code (
  id UUID PRIMARY KEY NOT NULL,
  station_id UUID NOT NULL REFERENCES station (id),
  purpose TEXT NOT NULL CHECK (purpose IN ('check_in', 'change_phone', 'reset_pin')),
  phone_index BYTEA NOT NULL,
  salt BYTEA NOT NULL,
  mac BYTEA NOT NULL,
  tries INTEGER NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ
);
CREATE INDEX phone_code_expiry ON phone_code (expires_at);
CREATE INDEX phone_code_open ON phone_code (station_id) WHERE used_at IS NULL;
CREATE TABLE text_message (
  id UUID PRIMARY KEY NOT NULL,
  phone_sealed BYTEA NOT NULL,
  body_sealed BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  tries INTEGER NOT NULL,
  next_try_at TIMESTAMPTZ,
  sent_at TIMESTAMPTZ
);
CREATE INDEX text_message_due ON text_message (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE INDEX text_message_expiry ON text_message (expires_at);
