-- What a merge moved, so that it can be undone. `before_sealed` holds both
-- sides as they were.
CREATE TABLE worker_merge (
  id UUID PRIMARY KEY NOT NULL,
  from_id UUID NOT NULL REFERENCES worker (id),
  into_id UUID NOT NULL REFERENCES worker (id),
  before_sealed BYTEA NOT NULL,
  balance_fen BIGINT NOT NULL,
  returned_fen BIGINT NOT NULL,
  merged_at TIMESTAMPTZ NOT NULL,
  undone_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX worker_merge_live ON worker_merge (from_id) WHERE undone_at IS NULL;
CREATE INDEX worker_merge_into ON worker_merge (into_id);
CREATE TABLE worker_merge_row (
  merge_id UUID NOT NULL REFERENCES worker_merge (id),
  kind TEXT NOT NULL,
  row_id UUID NOT NULL,
  PRIMARY KEY (merge_id, kind, row_id)
);
