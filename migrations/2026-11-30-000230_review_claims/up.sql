-- Which pharmacist has a signed prescription for review, and what its doctor was asked. Without foreign
-- keys: SQLite can drop a column that has one only by building the table again.
ALTER TABLE prescription ADD COLUMN claimed_by UUID;
ALTER TABLE prescription ADD COLUMN claimed_at TIMESTAMPTZ;
ALTER TABLE prescription ADD COLUMN claim_until TIMESTAMPTZ;
ALTER TABLE prescription ADD COLUMN question_id UUID;
-- 0 for an emergency, else 1. None signed before this version is known to be one.
ALTER TABLE prescription ADD COLUMN review_rank INTEGER NOT NULL DEFAULT 1;
DROP INDEX prescription_review;
CREATE INDEX prescription_review ON prescription (review_rank, signed_at, id) WHERE state = 'signed';
CREATE INDEX prescription_claim ON prescription (claim_until) WHERE claim_until IS NOT NULL;
