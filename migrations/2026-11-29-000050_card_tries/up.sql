-- Wrong PINs, by the keyed digest of the card that was claimed, whether or not
-- there is such a card: at one station (its id), and anywhere.
CREATE TABLE card_try (
  card_index BYTEA NOT NULL,
  place TEXT NOT NULL,
  failures INTEGER NOT NULL,
  tried_at TIMESTAMPTZ NOT NULL,
  locked_until TIMESTAMPTZ,
  PRIMARY KEY (card_index, place)
);
CREATE INDEX card_try_age ON card_try (tried_at);
-- Cards that are locked now stay locked.
INSERT INTO card_try (card_index, place, failures, tried_at, locked_until)
SELECT card_index, 'anywhere', pin_failures, pin_locked_until, pin_locked_until FROM worker
WHERE card_index IS NOT NULL AND pin_locked_until IS NOT NULL;
