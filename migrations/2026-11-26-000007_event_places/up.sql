-- On PostgreSQL an event's place is its transaction's number, shifted, and then
-- its number within the transaction: so places are in the order in which the
-- transactions may become visible. `xids` is added to that number; it grows when
-- the data moves to a server whose transactions count from lower on.
CREATE TABLE event_shift (
  one BIGINT PRIMARY KEY NOT NULL CHECK (one = 1),
  xids BIGINT NOT NULL
);
INSERT INTO event_shift (one, xids) VALUES (1, 0);
