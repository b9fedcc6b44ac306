-- Changes of a worker that open a record to somebody: one operator asks, and
-- another one approves. `body_sealed` is emptied when it is decided.
CREATE TABLE worker_change (
  id UUID PRIMARY KEY NOT NULL,
  worker_id UUID NOT NULL REFERENCES worker (id),
  kind TEXT NOT NULL CHECK (kind IN ('card', 'pin', 'document', 'merge')),
  body_sealed BYTEA NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'refused')),
  requested_by UUID NOT NULL REFERENCES staff (id),
  requested_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  decided_by UUID REFERENCES staff (id),
  decided_at TIMESTAMPTZ
);
CREATE INDEX worker_change_waiting ON worker_change (expires_at) WHERE state = 'waiting';
CREATE INDEX worker_change_worker ON worker_change (worker_id);
