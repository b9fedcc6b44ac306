-- The answer that an exchanged token was given, sealed: for the same caller who
-- asks again within seconds because the answer was lost.
ALTER TABLE refresh_token ADD COLUMN answer_sealed BYTEA;
CREATE INDEX refresh_token_answer ON refresh_token (used_at) WHERE answer_sealed IS NOT NULL;
