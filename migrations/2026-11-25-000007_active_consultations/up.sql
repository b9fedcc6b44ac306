-- A doctor's present consultations, however many there were before.
CREATE INDEX consultation_active ON consultation (doctor_id, id) WHERE state = 'active';
