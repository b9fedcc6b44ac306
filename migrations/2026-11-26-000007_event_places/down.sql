DROP TABLE event_shift;
