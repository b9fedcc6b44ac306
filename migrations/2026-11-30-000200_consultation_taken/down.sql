DROP INDEX consultation_taken;
