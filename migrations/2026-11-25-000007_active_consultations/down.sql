DROP INDEX consultation_active;
