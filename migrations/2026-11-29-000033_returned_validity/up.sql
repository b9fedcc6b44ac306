-- What a pharmacist sent back ends with its validity like everything else that was signed.
DROP INDEX prescription_validity;
CREATE INDEX prescription_validity ON prescription (valid_until) WHERE state IN ('signed', 'returned', 'approved');
