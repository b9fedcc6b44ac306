-- Which keys sign prescriptions and the head of the audit chain, and since when.
-- Each is derived from the master secret by its kind and number and stands nowhere.
CREATE TABLE signing_key (
  kind TEXT NOT NULL,
  number BIGINT NOT NULL,
  signs_from TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  retired_at TIMESTAMPTZ,
  PRIMARY KEY (kind, number)
);
