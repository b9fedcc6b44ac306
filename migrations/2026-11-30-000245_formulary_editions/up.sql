-- Editions of what the formulary holds, kept for ever. station_id: whose selection it is; none for the
-- network's. products: the codes as a JSON array, in their order. An approved edition applies from effective_at
-- until a later one of the same scope does; without any, a network has what its catalogue marks in_formulary,
-- and a station what its network has. proposed_by and approved_by are different people.
CREATE TABLE formulary_edition (
  id UUID NOT NULL PRIMARY KEY,
  version TEXT NOT NULL UNIQUE,
  station_id UUID REFERENCES station (id),
  products TEXT NOT NULL,
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
CREATE INDEX formulary_edition_network ON formulary_edition (effective_at)
  WHERE state = 'approved' AND station_id IS NULL;
CREATE INDEX formulary_edition_station ON formulary_edition (station_id, effective_at)
  WHERE state = 'approved' AND station_id IS NOT NULL;
