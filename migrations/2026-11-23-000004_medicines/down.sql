DROP TABLE prescription_line;
DROP TABLE prescription;
DROP TABLE product;
