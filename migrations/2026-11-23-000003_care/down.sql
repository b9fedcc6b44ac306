DROP TABLE message;
DROP TABLE offer;
DROP TABLE consultation;
DROP TABLE reading;
DROP TABLE check_in;
