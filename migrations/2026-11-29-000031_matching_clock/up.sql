-- The virtual time at which hospitals are served now: none of them starts
-- before it, however long it was away. All begin level.
CREATE TABLE matching_clock (
  one BIGINT PRIMARY KEY NOT NULL CHECK (one = 1),
  virtual_time BIGINT NOT NULL
);
INSERT INTO matching_clock (one, virtual_time)
SELECT 1, COALESCE(MAX(virtual_time), 0) FROM hospital;
