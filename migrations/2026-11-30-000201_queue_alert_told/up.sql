-- When operators were told of an alert by mail. Those before this version were told at once.
ALTER TABLE queue_alert ADD COLUMN told_at TIMESTAMPTZ;
UPDATE queue_alert SET told_at = raised_at;
CREATE INDEX queue_alert_told ON queue_alert (department, told_at);
