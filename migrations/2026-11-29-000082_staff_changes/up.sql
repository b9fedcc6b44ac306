-- People change. An address and a licence belong to one live account: whoever
-- is disabled gives them back (`released_*` keeps them for a return), so that
-- the unique keys bind live rows only.
ALTER TABLE staff ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE staff ADD COLUMN released_email TEXT;
ALTER TABLE staff ADD COLUMN reset_asked_by UUID;
ALTER TABLE staff ADD COLUMN reset_asked_at TIMESTAMPTZ;
ALTER TABLE doctor ADD COLUMN released_licence_no TEXT;
ALTER TABLE shift ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
UPDATE staff SET released_email = email, email = 'disabled:' || email WHERE disabled_at IS NOT NULL;
UPDATE doctor SET released_licence_no = licence_no, licence_no = 'disabled:' || licence_no
  WHERE staff_id IN (SELECT id FROM staff WHERE disabled_at IS NOT NULL);
-- A new address that is to be confirmed by a link sent to it.
CREATE TABLE email_change (
  digest BYTEA PRIMARY KEY NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  email TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ
);
CREATE INDEX email_change_staff ON email_change (staff_id) WHERE used_at IS NULL;
