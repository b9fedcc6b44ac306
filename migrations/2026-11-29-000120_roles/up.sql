-- The roles are those of the program's table of roles (domain/staff/role.rs). A list of them in a
-- constraint would have to be replaced with every new role, and SQLite can replace a constraint only
-- together with its column.
DROP INDEX staff_role;
ALTER TABLE staff ADD COLUMN role_code TEXT NOT NULL DEFAULT '';
UPDATE staff SET role_code = role;
ALTER TABLE staff DROP COLUMN role;
ALTER TABLE staff RENAME COLUMN role_code TO role;
CREATE INDEX staff_role ON staff (role, id);
