DROP TABLE health_read;
ALTER TABLE session DROP COLUMN attended_at;
