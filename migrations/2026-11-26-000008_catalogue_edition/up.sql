-- The number of the catalogue's edition, one more with every change: instances
-- hold the whole catalogue, and see here whether theirs is still the one.
CREATE TABLE catalogue_edition (
  one BIGINT PRIMARY KEY NOT NULL CHECK (one = 1),
  number BIGINT NOT NULL
);
INSERT INTO catalogue_edition (one, number) VALUES (1, 0);
