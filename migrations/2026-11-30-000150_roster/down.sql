-- Earlier versions know no coordinators, and their migrations check the roles: a safety officer
-- without an employer sees nobody.
UPDATE staff SET role = 'employer', hospital_id = NULL WHERE role = 'coordinator';
DROP INDEX staff_hospital;
DROP INDEX doctor_department_of;
DROP TABLE coverage_round;
DROP TABLE coverage_gap;
DROP TABLE leave;
DROP INDEX shift_begins;
DELETE FROM shift WHERE rule_id IS NOT NULL;
ALTER TABLE shift DROP COLUMN rule_date;
ALTER TABLE shift DROP COLUMN rule_id;
DROP TABLE shift_exception;
DROP TABLE shift_rule;
