DROP INDEX queue_alert_told;
ALTER TABLE queue_alert DROP COLUMN told_at;
