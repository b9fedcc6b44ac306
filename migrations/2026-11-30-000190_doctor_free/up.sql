-- Free are those who have a place for text or for video: the distributor reads them from this index,
-- however many are on call and full. The condition is that of the statement, word for word.
DROP INDEX doctor_free;
CREATE INDEX doctor_free ON doctor (staff_id) WHERE presence = 'available' AND (live < capacity OR live_video < video_capacity);
