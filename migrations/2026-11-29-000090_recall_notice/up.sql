-- A recall names a lot wherever it is: in a slot, in the van, or not made known here yet.
-- lot_key is the lot's number in lower case: 'a17' and 'A17' are one lot to whoever types it.
CREATE TABLE recall_notice (
  product_code TEXT NOT NULL REFERENCES product (code),
  lot_key TEXT NOT NULL,
  reason TEXT NOT NULL,
  recalled_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (product_code, lot_key)
);
INSERT INTO recall_notice (product_code, lot_key, reason, recalled_at)
  SELECT product_code, lower(lot_no), min(coalesce(recall_reason, '')), min(recalled_at)
  FROM lot WHERE recalled_at IS NOT NULL GROUP BY product_code, lower(lot_no);
