-- A consultation that went back to the queue left its old offer 'accepted', and
-- the unique index let nobody accept it again: each doctor who tried met a
-- fault, the offer ran out, and the doctor was made away.
-- First the doctors whose last offer was such a one; they never failed to answer.
UPDATE doctor SET presence = 'available'
WHERE presence = 'away' AND EXISTS (
  SELECT 1 FROM offer o
  WHERE o.doctor_id = doctor.staff_id AND o.state = 'expired'
    AND EXISTS (
      SELECT 1 FROM offer old
      WHERE old.consultation_id = o.consultation_id AND old.state = 'accepted' AND old.fence < o.fence)
    AND NOT EXISTS (
      SELECT 1 FROM offer later
      WHERE later.doctor_id = o.doctor_id AND later.created_at > o.created_at));
-- Then the offers: accepted is only the last one of a consultation that its doctor has or had.
UPDATE offer SET state = 'withdrawn'
WHERE state = 'accepted' AND NOT EXISTS (
  SELECT 1 FROM consultation c
  WHERE c.id = offer.consultation_id AND c.offer_id = offer.id AND c.state IN ('active', 'completed'));
