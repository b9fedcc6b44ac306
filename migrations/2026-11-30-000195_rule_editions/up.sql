-- Editions of the safety rules that somebody proposed. tables: a JSON object with every table's CSV text by
-- its name. An approved edition applies from effective_at until a later one does; without any, the tables
-- that ship with the program apply. proposed_by and decided_by are different people.
CREATE TABLE rule_edition (
  id UUID NOT NULL PRIMARY KEY,
  version TEXT NOT NULL UNIQUE,
  tables TEXT NOT NULL,
  note TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('proposed', 'approved', 'withdrawn')),
  proposed_by UUID NOT NULL REFERENCES staff (id),
  proposed_at TIMESTAMPTZ NOT NULL,
  approved_by UUID REFERENCES staff (id) CHECK (approved_by <> proposed_by),
  approved_at TIMESTAMPTZ,
  effective_at TIMESTAMPTZ,
  withdrawn_by UUID REFERENCES staff (id),
  withdrawn_at TIMESTAMPTZ,
  reason TEXT,
  CHECK (state <> 'approved' OR (approved_by IS NOT NULL AND effective_at IS NOT NULL))
);
CREATE INDEX rule_edition_effective ON rule_edition (effective_at) WHERE state = 'approved';
