DROP TABLE doctor_key;
