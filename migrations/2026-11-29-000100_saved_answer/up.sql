-- Saved answers by a digest of principal, route and key: those three texts, in the table and in its
-- index, were most of a row. The server moves the answers of the last day at its next start.
CREATE TABLE saved_answer (
  id UUID PRIMARY KEY NOT NULL,
  body_digest BYTEA NOT NULL,
  answer_sealed BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX saved_answer_age ON saved_answer (created_at);
