-- The department that a shift is for; NULL is all of the doctor's. A rule's department was a label before:
-- its shifts have it from now on.
ALTER TABLE shift ADD COLUMN department TEXT;
UPDATE shift SET department = (SELECT shift_rule.department FROM shift_rule WHERE shift_rule.id = shift.rule_id) WHERE rule_id IS NOT NULL;
