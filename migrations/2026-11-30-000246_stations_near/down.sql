DROP INDEX consultation_station;
DROP INDEX station_place;
