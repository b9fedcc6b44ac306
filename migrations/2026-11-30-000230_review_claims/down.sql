DROP INDEX prescription_claim;
DROP INDEX prescription_review;
CREATE INDEX prescription_review ON prescription (signed_at) WHERE state = 'signed';
ALTER TABLE prescription DROP COLUMN review_rank;
ALTER TABLE prescription DROP COLUMN question_id;
ALTER TABLE prescription DROP COLUMN claim_until;
ALTER TABLE prescription DROP COLUMN claimed_at;
ALTER TABLE prescription DROP COLUMN claimed_by;
