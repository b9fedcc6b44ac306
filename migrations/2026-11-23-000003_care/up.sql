-- From check-in to the end of a consultation.
CREATE TABLE check_in (
  id UUID PRIMARY KEY NOT NULL,
  worker_id UUID NOT NULL REFERENCES worker (id),
  station_id UUID NOT NULL REFERENCES station (id),
  started_at TIMESTAMPTZ NOT NULL,
  active_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  end_reason TEXT,
  context TEXT
);
-- One worker at one screen, and one screen for one worker.
CREATE UNIQUE INDEX check_in_station ON check_in (station_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX check_in_worker ON check_in (worker_id) WHERE ended_at IS NULL;
CREATE INDEX check_in_idle ON check_in (active_at) WHERE ended_at IS NULL;
CREATE TABLE reading (
  id UUID PRIMARY KEY NOT NULL,
  check_in_id UUID NOT NULL REFERENCES check_in (id),
  worker_id UUID NOT NULL REFERENCES worker (id),
  station_id UUID NOT NULL REFERENCES station (id),
  kind TEXT NOT NULL,
  value BIGINT NOT NULL,
  second BIGINT,
  unit TEXT NOT NULL,
  device TEXT NOT NULL,
  fasting BOOLEAN,
  measured_at TIMESTAMPTZ NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX reading_check_in ON reading (check_in_id, id);
CREATE INDEX reading_worker ON reading (worker_id, id);
CREATE TABLE consultation (
  id UUID PRIMARY KEY NOT NULL,
  worker_id UUID NOT NULL REFERENCES worker (id),
  check_in_id UUID NOT NULL REFERENCES check_in (id),
  station_id UUID NOT NULL REFERENCES station (id),
  lane TEXT NOT NULL,
  department TEXT NOT NULL,
  language TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'offered', 'active', 'completed', 'cancelled', 'unserved')),
  complaint_sealed BYTEA NOT NULL,
  symptoms TEXT NOT NULL,
  triage TEXT NOT NULL,
  requested_at TIMESTAMPTZ NOT NULL,
  ranked_since TIMESTAMPTZ NOT NULL,
  requeued_at TIMESTAMPTZ,
  fence BIGINT NOT NULL,
  offer_id UUID,
  doctor_id UUID REFERENCES staff (id),
  hospital_id UUID REFERENCES hospital (id),
  accepted_at TIMESTAMPTZ,
  ended_at TIMESTAMPTZ,
  summary_sealed BYTEA,
  diagnoses TEXT,
  rating INTEGER CHECK (rating BETWEEN 1 AND 5),
  rating_sealed BYTEA
);
CREATE UNIQUE INDEX consultation_live ON consultation (worker_id) WHERE state IN ('waiting', 'offered', 'active');
CREATE INDEX consultation_queue ON consultation (ranked_since) WHERE state = 'waiting';
CREATE INDEX consultation_emergency ON consultation (requested_at) WHERE state = 'waiting' AND triage = 'emergency';
CREATE INDEX consultation_requested ON consultation (requested_at);
CREATE INDEX consultation_department ON consultation (department, requested_at) WHERE state IN ('waiting', 'offered');
CREATE INDEX consultation_doctor ON consultation (doctor_id, id);
CREATE INDEX consultation_worker ON consultation (worker_id, id);
CREATE INDEX consultation_check_in ON consultation (check_in_id);
CREATE INDEX consultation_completed ON consultation (ended_at) WHERE state = 'completed';
CREATE TABLE offer (
  id UUID PRIMARY KEY NOT NULL,
  consultation_id UUID NOT NULL REFERENCES consultation (id),
  doctor_id UUID NOT NULL REFERENCES doctor (staff_id),
  hospital_id UUID NOT NULL REFERENCES hospital (id),
  fence BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'declined', 'expired', 'withdrawn')),
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  answered_at TIMESTAMPTZ,
  UNIQUE (consultation_id, fence)
);
CREATE UNIQUE INDEX offer_open ON offer (consultation_id) WHERE state = 'open';
CREATE UNIQUE INDEX offer_accepted ON offer (consultation_id) WHERE state = 'accepted';
CREATE INDEX offer_doctor ON offer (doctor_id, id) WHERE state = 'open';
CREATE INDEX offer_expiry ON offer (expires_at) WHERE state = 'open';
CREATE TABLE message (
  id UUID PRIMARY KEY NOT NULL,
  consultation_id UUID NOT NULL REFERENCES consultation (id),
  sender_role TEXT NOT NULL CHECK (sender_role IN ('worker', 'doctor')),
  sender_id UUID NOT NULL,
  body_sealed BYTEA NOT NULL,
  sent_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX message_consultation ON message (consultation_id, id);
