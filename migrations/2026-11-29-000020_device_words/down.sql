CREATE TABLE reading_without_words (
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
INSERT INTO reading_without_words (id, check_in_id, worker_id, station_id, kind, value, second, unit, device, fasting, measured_at, recorded_at)
  SELECT id, check_in_id, worker_id, station_id, kind, value, second, unit, device, fasting, measured_at, recorded_at FROM reading WHERE value IS NOT NULL;
DROP TABLE reading;
ALTER TABLE reading_without_words RENAME TO reading;
CREATE INDEX reading_check_in ON reading (check_in_id, id);
CREATE INDEX reading_worker ON reading (worker_id, id);
