DROP INDEX refresh_token_answer;
ALTER TABLE refresh_token DROP COLUMN answer_sealed;
