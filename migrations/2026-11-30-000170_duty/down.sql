ALTER TABLE consultation DROP COLUMN medium;
ALTER TABLE doctor DROP COLUMN live_video;
ALTER TABLE doctor DROP COLUMN video_capacity;
ALTER TABLE doctor DROP COLUMN away_since;
ALTER TABLE doctor DROP COLUMN away_because;
ALTER TABLE doctor DROP COLUMN wrap_up_until;
