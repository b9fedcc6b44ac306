-- The event log, saved answers, letters, keys and the audit chain.
-- `position` is filled by a sequence on PostgreSQL (BIGSERIAL) and by the one
-- writer on SQLite; `writer_xid` lets PostgreSQL's readers stop below the
-- oldest running transaction.
CREATE TABLE event (
  position BIGSERIAL PRIMARY KEY NOT NULL,
  stream TEXT NOT NULL,
  stream_id UUID NOT NULL,
  version BIGINT NOT NULL,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  actor_role TEXT NOT NULL,
  actor_id UUID,
  worker_id UUID,
  staff_id UUID,
  at TIMESTAMPTZ NOT NULL,
  writer_xid BIGINT NOT NULL
);
CREATE UNIQUE INDEX event_stream ON event (stream_id, version);
CREATE INDEX event_worker ON event (worker_id, position) WHERE worker_id IS NOT NULL;
CREATE INDEX event_staff ON event (staff_id, position) WHERE staff_id IS NOT NULL;
CREATE TABLE idempotency (
  principal TEXT NOT NULL,
  route TEXT NOT NULL,
  key TEXT NOT NULL,
  body_digest BYTEA NOT NULL,
  status INTEGER NOT NULL,
  answer_sealed BYTEA,
  created_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (principal, route, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE TABLE letter (
  id UUID PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL,
  staff_id UUID NOT NULL REFERENCES staff (id),
  body_sealed BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  tries INTEGER NOT NULL,
  next_try_at TIMESTAMPTZ,
  sent_at TIMESTAMPTZ
);
CREATE INDEX letter_due ON letter (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE TABLE server_key (
  kid TEXT PRIMARY KEY NOT NULL,
  purpose TEXT NOT NULL,
  private_sealed BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  retired_at TIMESTAMPTZ
);
CREATE TABLE audit_seal (
  position BIGINT PRIMARY KEY NOT NULL,
  hash TEXT NOT NULL,
  signature TEXT NOT NULL,
  sealed_at TIMESTAMPTZ NOT NULL
);
