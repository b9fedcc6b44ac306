-- How long each signed revision of a prescription waited for its review, and how that ended; whether that
-- was in time by the policy of that moment. `review_s` is unknown when it was decided by somebody who had
-- not taken it before.
CREATE TABLE review_round (
  prescription_id UUID NOT NULL REFERENCES prescription (id),
  revision INTEGER NOT NULL,
  ended_at TIMESTAMPTZ NOT NULL,
  outcome TEXT NOT NULL,
  decided_by UUID REFERENCES staff (id),
  waited_s INTEGER NOT NULL,
  in_time BOOLEAN NOT NULL,
  review_s INTEGER,
  policy_version TEXT NOT NULL,
  PRIMARY KEY (prescription_id, revision)
);
CREATE INDEX review_round_ended ON review_round (ended_at);
-- The pharmacists' queue in trouble: nobody is on shift, or a prescription waits too long. `told_at` says
-- when letters were written.
CREATE TABLE review_alert (
  id UUID PRIMARY KEY NOT NULL,
  trouble TEXT NOT NULL,
  waiting BIGINT NOT NULL,
  oldest_since TIMESTAMPTZ NOT NULL,
  on_shift_from TIMESTAMPTZ,
  told_at TIMESTAMPTZ,
  raised_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX review_alert_open ON review_alert (trouble) WHERE ended_at IS NULL;
CREATE INDEX review_alert_told ON review_alert (told_at);
