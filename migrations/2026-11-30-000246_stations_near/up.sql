-- The stations around a place, and the consultations of a station whose open drafts hold packs softly.
CREATE INDEX station_place ON station (latitude_e6, longitude_e6) WHERE retired_at IS NULL;
CREATE INDEX consultation_station ON consultation (station_id) WHERE state = 'active';
