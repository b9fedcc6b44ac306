-- Shifts that repeat. A shift of a rule follows from the rule: its row names the rule and the local
-- date of the occurrence. `planned_until` is how far the rule's shifts are in `shift`.
CREATE TABLE shift_rule (
  id UUID PRIMARY KEY NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  department TEXT,
  first_date DATE NOT NULL,
  start_time TEXT NOT NULL,
  length_minutes INTEGER NOT NULL CHECK (length_minutes > 0),
  rrule TEXT NOT NULL,
  last_date DATE,
  planned_until TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX shift_rule_staff ON shift_rule (staff_id, id);
CREATE INDEX shift_rule_due ON shift_rule (planned_until, id) WHERE ended_at IS NULL;
-- Local dates on which a rule has no shift.
CREATE TABLE shift_exception (
  rule_id UUID NOT NULL REFERENCES shift_rule (id),
  date DATE NOT NULL,
  PRIMARY KEY (rule_id, date)
);
-- Without a foreign key: SQLite can drop a column that has one only by building the table again, and
-- rules are never deleted.
ALTER TABLE shift ADD COLUMN rule_id UUID;
ALTER TABLE shift ADD COLUMN rule_date DATE;
CREATE INDEX shift_begins ON shift (starts_at);
-- Spans without shifts. Leave that is called off before it begins is empty.
CREATE TABLE leave (
  id UUID PRIMARY KEY NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  starts_at TIMESTAMPTZ NOT NULL,
  ends_at TIMESTAMPTZ NOT NULL,
  reason TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  CHECK (ends_at >= starts_at)
);
CREATE INDEX leave_staff ON leave (staff_id, ends_at);
CREATE INDEX leave_end ON leave (ends_at);
-- Gaps of the roster that somebody was told of: of a hospital, or of the whole network.
CREATE TABLE coverage_gap (
  id UUID PRIMARY KEY NOT NULL,
  hospital_id UUID REFERENCES hospital (id),
  department TEXT NOT NULL,
  starts_at TIMESTAMPTZ NOT NULL,
  ends_at TIMESTAMPTZ NOT NULL,
  told_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX coverage_gap_end ON coverage_gap (ends_at);
-- The round that looks for gaps locks this row, so that of two instances one tells.
CREATE TABLE coverage_round (
  one BIGINT PRIMARY KEY NOT NULL,
  ran_at TIMESTAMPTZ
);
INSERT INTO coverage_round (one) VALUES (1);
-- Doctors of a department, and staff of a hospital.
CREATE INDEX doctor_department_of ON doctor_department (department, doctor_id);
CREATE INDEX staff_hospital ON staff (hospital_id, id);
