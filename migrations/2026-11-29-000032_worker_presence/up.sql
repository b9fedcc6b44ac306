-- Since when the worker of a live consultation is checked in nowhere, and who
-- ended a consultation that no doctor completed.
ALTER TABLE consultation ADD COLUMN left_at TIMESTAMPTZ;
ALTER TABLE consultation ADD COLUMN cancel_reason TEXT;
-- Until now nobody but the worker took one back.
UPDATE consultation SET cancel_reason = 'by_worker' WHERE state = 'cancelled';
CREATE INDEX consultation_left ON consultation (left_at) WHERE state = 'waiting' AND left_at IS NOT NULL;
