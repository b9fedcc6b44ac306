-- Which field-sealing keys are live, and since when each seals. Each is derived
-- from the master secret by its number and stands nowhere.
CREATE TABLE seal_key (
  id BIGINT PRIMARY KEY NOT NULL,
  seals_from TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  retired_at TIMESTAMPTZ
);
-- Who asked for a new password, before anybody has looked whether there is such
-- an account: the answer is given before.
CREATE TABLE reset_request (
  id UUID PRIMARY KEY NOT NULL,
  email_sealed BYTEA NOT NULL,
  email_index BYTEA NOT NULL,
  may_send BOOLEAN NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);
