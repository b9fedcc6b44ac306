-- A device may show HI or LO instead of a number: such a reading has no value.
CREATE TABLE reading_with_words (
  id UUID PRIMARY KEY NOT NULL,
  check_in_id UUID NOT NULL REFERENCES check_in (id),
  worker_id UUID NOT NULL REFERENCES worker (id),
  station_id UUID NOT NULL REFERENCES station (id),
  kind TEXT NOT NULL,
  value BIGINT,
  beyond TEXT CHECK (beyond IN ('high', 'low')),
  second BIGINT,
  unit TEXT NOT NULL,
  device TEXT NOT NULL,
  fasting BOOLEAN,
  measured_at TIMESTAMPTZ NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  CHECK ((value IS NULL) <> (beyond IS NULL))
);
INSERT INTO reading_with_words (id, check_in_id, worker_id, station_id, kind, value, second, unit, device, fasting, measured_at, recorded_at)
  SELECT id, check_in_id, worker_id, station_id, kind, value, second, unit, device, fasting, measured_at, recorded_at FROM reading;
DROP TABLE reading;
ALTER TABLE reading_with_words RENAME TO reading;
CREATE INDEX reading_check_in ON reading (check_in_id, id);
CREATE INDEX reading_worker ON reading (worker_id, id);
