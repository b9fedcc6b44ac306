-- Departments whose queue is in trouble: nobody is on call, or somebody waits too long.
CREATE TABLE queue_alert (
  id UUID PRIMARY KEY NOT NULL,
  department TEXT NOT NULL,
  trouble TEXT NOT NULL,
  waiting BIGINT NOT NULL,
  oldest_since TIMESTAMPTZ NOT NULL,
  raised_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX queue_alert_open ON queue_alert (department) WHERE ended_at IS NULL;
