-- A letter that was not taken says why, and one that is given up stays in an
-- operator's list. `email`: where it goes, if not to its reader's address.
ALTER TABLE letter ADD COLUMN state TEXT NOT NULL DEFAULT 'waiting'
  CHECK (state IN ('waiting', 'sent', 'dead', 'superseded'));
ALTER TABLE letter ADD COLUMN email TEXT;
ALTER TABLE letter ADD COLUMN trouble TEXT;
ALTER TABLE letter ADD COLUMN reply_code INTEGER;
ALTER TABLE letter ADD COLUMN failed_at TIMESTAMPTZ;
UPDATE letter SET state = 'sent' WHERE sent_at IS NOT NULL;
UPDATE letter SET state = 'dead', trouble = 'unknown' WHERE sent_at IS NULL AND next_try_at IS NULL;
CREATE INDEX letter_state ON letter (state, id);
CREATE INDEX letter_staff ON letter (staff_id) WHERE state = 'waiting';
