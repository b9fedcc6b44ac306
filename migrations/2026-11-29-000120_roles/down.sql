DROP INDEX staff_role;
ALTER TABLE staff ADD COLUMN role_code TEXT NOT NULL DEFAULT 'employer'
  CHECK (role_code IN ('doctor', 'pharmacist', 'operator', 'restocker', 'employer'));
UPDATE staff SET role_code = role;
ALTER TABLE staff DROP COLUMN role;
ALTER TABLE staff RENAME COLUMN role_code TO role;
CREATE INDEX staff_role ON staff (role, id);
