-- After a completed consultation a doctor gets no offers until wrap_up_until.
ALTER TABLE doctor ADD COLUMN wrap_up_until TIMESTAMPTZ;
-- Why and since when a doctor is away. Unknown for those who were away before this version.
ALTER TABLE doctor ADD COLUMN away_because TEXT;
ALTER TABLE doctor ADD COLUMN away_since TIMESTAMPTZ;
-- Text and video are counted each on its own; capacity and live are those of text.
ALTER TABLE doctor ADD COLUMN video_capacity INTEGER NOT NULL DEFAULT 1 CHECK (video_capacity BETWEEN 0 AND 1);
ALTER TABLE doctor ADD COLUMN live_video INTEGER NOT NULL DEFAULT 0
  CHECK (live_video >= 0 AND live_video <= video_capacity);
-- Every consultation before this version was by text.
ALTER TABLE consultation ADD COLUMN medium TEXT NOT NULL DEFAULT 'text' CHECK (medium IN ('text', 'video'));
