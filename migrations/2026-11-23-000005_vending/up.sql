-- Stock, orders, attempts, the cabinets' journals, and the ledger.
CREATE TABLE lot (
  product_code TEXT NOT NULL REFERENCES product (code),
  lot_no TEXT NOT NULL,
  expires_on DATE NOT NULL,
  recalled_at TIMESTAMPTZ,
  recall_reason TEXT,
  PRIMARY KEY (product_code, lot_no)
);
CREATE TABLE slot (
  cabinet_id UUID NOT NULL REFERENCES cabinet (id),
  slot_no INTEGER NOT NULL CHECK (slot_no > 0),
  capacity INTEGER NOT NULL CHECK (capacity > 0),
  product_code TEXT,
  lot_no TEXT,
  closed_reason TEXT,
  closed_at TIMESTAMPTZ,
  PRIMARY KEY (cabinet_id, slot_no),
  FOREIGN KEY (product_code, lot_no) REFERENCES lot (product_code, lot_no)
);
CREATE INDEX slot_lot ON slot (product_code, lot_no);
CREATE INDEX slot_product ON slot (cabinet_id, product_code);
-- Every pack that ever entered a slot is in exactly one of these five places.
CREATE TABLE slot_stock (
  cabinet_id UUID NOT NULL,
  slot_no INTEGER NOT NULL,
  product_code TEXT NOT NULL,
  lot_no TEXT NOT NULL,
  received BIGINT NOT NULL,
  on_hand BIGINT NOT NULL CHECK (on_hand >= 0),
  reserved BIGINT NOT NULL CHECK (reserved >= 0),
  in_doubt BIGINT NOT NULL CHECK (in_doubt >= 0),
  dispensed BIGINT NOT NULL CHECK (dispensed >= 0),
  discarded BIGINT NOT NULL CHECK (discarded >= 0),
  PRIMARY KEY (cabinet_id, slot_no, product_code, lot_no),
  FOREIGN KEY (cabinet_id, slot_no) REFERENCES slot (cabinet_id, slot_no),
  FOREIGN KEY (product_code, lot_no) REFERENCES lot (product_code, lot_no),
  CHECK (received = on_hand + reserved + in_doubt + dispensed + discarded)
);
CREATE INDEX slot_stock_lot ON slot_stock (product_code, lot_no);
CREATE TABLE orders (
  id UUID PRIMARY KEY NOT NULL,
  worker_id UUID NOT NULL REFERENCES worker (id),
  check_in_id UUID NOT NULL REFERENCES check_in (id),
  station_id UUID NOT NULL REFERENCES station (id),
  cabinet_id UUID NOT NULL REFERENCES cabinet (id),
  prescription_id UUID REFERENCES prescription (id),
  state TEXT NOT NULL,
  total_fen BIGINT NOT NULL CHECK (total_fen >= 0),
  pickup_sealed BYTEA,
  pickup_failures INTEGER NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  paid_at TIMESTAMPTZ,
  ended_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX orders_prescription_live ON orders (prescription_id) WHERE state IN ('reserved', 'paid');
CREATE INDEX orders_worker ON orders (worker_id, id);
CREATE INDEX orders_expiry ON orders (expires_at) WHERE state IN ('reserved', 'paid');
CREATE INDEX orders_check_in ON orders (check_in_id);
CREATE TABLE order_unit (
  id UUID PRIMARY KEY NOT NULL,
  order_id UUID NOT NULL REFERENCES orders (id),
  worker_id UUID NOT NULL REFERENCES worker (id),
  prescription_id UUID,
  line_no INTEGER,
  product_code TEXT NOT NULL REFERENCES product (code),
  cabinet_id UUID NOT NULL,
  slot_no INTEGER NOT NULL,
  lot_no TEXT NOT NULL,
  price_fen BIGINT NOT NULL CHECK (price_fen >= 0),
  daily_units_thousandths BIGINT NOT NULL,
  days INTEGER NOT NULL,
  state TEXT NOT NULL,
  ended_at TIMESTAMPTZ,
  FOREIGN KEY (cabinet_id, slot_no) REFERENCES slot (cabinet_id, slot_no)
);
CREATE INDEX order_unit_order ON order_unit (order_id, id);
CREATE INDEX order_unit_worker ON order_unit (worker_id, id);
CREATE INDEX order_unit_prescription ON order_unit (prescription_id, line_no);
CREATE INDEX order_unit_slot ON order_unit (cabinet_id, slot_no) WHERE state IN ('reserved', 'authorised');
CREATE INDEX order_unit_lot ON order_unit (product_code, lot_no);
CREATE TABLE attempt (
  id UUID PRIMARY KEY NOT NULL,
  order_unit_id UUID NOT NULL REFERENCES order_unit (id),
  order_id UUID NOT NULL REFERENCES orders (id),
  cabinet_id UUID NOT NULL REFERENCES cabinet (id),
  epoch BIGINT NOT NULL,
  slot_no INTEGER NOT NULL,
  product_code TEXT NOT NULL,
  lot_no TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('issued', 'started', 'voided', 'dispensed', 'not_dispensed', 'in_doubt')),
  vend_authorization TEXT NOT NULL,
  issued_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  started_at TIMESTAMPTZ,
  boot_id TEXT,
  doubted_at TIMESTAMPTZ,
  ended_at TIMESTAMPTZ,
  outcome TEXT
);
-- The heart of "never twice": one live or dispensed attempt per unit.
CREATE UNIQUE INDEX attempt_unit ON attempt (order_unit_id)
  WHERE state IN ('issued', 'started', 'in_doubt', 'dispensed');
CREATE INDEX attempt_cabinet ON attempt (cabinet_id, id) WHERE state IN ('issued', 'started', 'in_doubt');
CREATE INDEX attempt_lot ON attempt (product_code, lot_no) WHERE state = 'issued';
CREATE INDEX attempt_order ON attempt (order_id, id);
CREATE INDEX attempt_expiry ON attempt (expires_at) WHERE state = 'issued';
CREATE INDEX attempt_voided ON attempt (cabinet_id, ended_at) WHERE state = 'voided';
CREATE INDEX attempt_silence ON attempt (started_at) WHERE state = 'started';
CREATE INDEX attempt_dispensed ON attempt (ended_at) WHERE state = 'dispensed';
-- A boot that was heard of once and is not the present one never comes back:
-- a late hello of it must not pass for a restart.
CREATE TABLE cabinet_boot (
  cabinet_id UUID NOT NULL REFERENCES cabinet (id),
  boot_id TEXT NOT NULL,
  first_heard_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (cabinet_id, boot_id)
);
CREATE TABLE journal (
  cabinet_id UUID NOT NULL REFERENCES cabinet (id),
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  hash TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  mono_ms BIGINT NOT NULL,
  wall TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (cabinet_id, epoch, seq)
);
CREATE TABLE incident (
  id UUID PRIMARY KEY NOT NULL,
  cabinet_id UUID NOT NULL REFERENCES cabinet (id),
  kind TEXT NOT NULL,
  slot_no INTEGER,
  attempt_id UUID REFERENCES attempt (id),
  detail TEXT NOT NULL,
  opened_at TIMESTAMPTZ NOT NULL,
  closed_at TIMESTAMPTZ,
  closed_by UUID,
  note_sealed BYTEA
);
CREATE INDEX incident_open ON incident (id) WHERE closed_at IS NULL;
CREATE TABLE account (
  id UUID PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL,
  owner_id UUID,
  may_overdraw BOOLEAN NOT NULL,
  balance_fen BIGINT NOT NULL,
  CHECK (balance_fen >= 0 OR may_overdraw)
);
CREATE UNIQUE INDEX account_owner ON account (kind, owner_id) WHERE owner_id IS NOT NULL;
CREATE UNIQUE INDEX account_single ON account (kind) WHERE owner_id IS NULL;
CREATE TABLE transfer (
  id UUID PRIMARY KEY NOT NULL,
  reason TEXT NOT NULL,
  reference TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  UNIQUE (reason, reference)
);
CREATE TABLE posting (
  transfer_id UUID NOT NULL REFERENCES transfer (id),
  account_id UUID NOT NULL REFERENCES account (id),
  amount_fen BIGINT NOT NULL CHECK (amount_fen <> 0),
  PRIMARY KEY (transfer_id, account_id)
);
CREATE INDEX posting_account ON posting (account_id, transfer_id);
