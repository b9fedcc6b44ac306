DROP INDEX consultation_called;
ALTER TABLE consultation DROP COLUMN called_at;
ALTER TABLE consultation DROP COLUMN left_station_id;
