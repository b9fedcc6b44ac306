DROP INDEX prescription_validity;
CREATE INDEX prescription_validity ON prescription (valid_until) WHERE state IN ('signed', 'approved');
