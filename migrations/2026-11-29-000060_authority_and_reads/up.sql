-- When the holder of a session was last there without doubt. `active_at` also
-- moves when their program merely renews its token.
ALTER TABLE session ADD COLUMN attended_at TIMESTAMPTZ;
UPDATE session SET attended_at = active_at;
-- Who was shown which part of whose health record, and when that was last
-- written into the event log. The log is the record; this only bounds how often
-- one and the same reading is written there.
CREATE TABLE health_read (
  reader_id UUID NOT NULL,
  subject_id UUID NOT NULL,
  part TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (reader_id, subject_id, part)
);
CREATE INDEX health_read_age ON health_read (at);
