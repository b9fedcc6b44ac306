DROP INDEX doctor_free;
CREATE INDEX doctor_free ON doctor (staff_id) WHERE presence = 'available' AND live < capacity;
