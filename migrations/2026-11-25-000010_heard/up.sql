-- When a doctor with patients was last heard, noted now and then: several
-- instances and a restarted one know from here what one of them has heard.
ALTER TABLE doctor ADD COLUMN heard_at TIMESTAMPTZ;
