-- Where the worker of a consultation left, and since when that screen calls them. Without a foreign key:
-- SQLite can drop a column that has one only by building the table again.
ALTER TABLE consultation ADD COLUMN left_station_id UUID;
ALTER TABLE consultation ADD COLUMN called_at TIMESTAMPTZ;
CREATE INDEX consultation_called ON consultation (left_station_id) WHERE state = 'waiting' AND called_at IS NOT NULL;
