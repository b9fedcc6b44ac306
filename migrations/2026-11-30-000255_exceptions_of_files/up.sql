-- Which exception dates of a rule a file of rules listed: only these are dropped when a later file leaves
-- them out. Those of before this version count as made by hand, so that no cancelled shift comes back.
ALTER TABLE shift_exception ADD COLUMN from_file BOOLEAN NOT NULL DEFAULT FALSE;
