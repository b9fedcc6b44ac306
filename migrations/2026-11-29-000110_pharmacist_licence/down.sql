DROP TABLE pharmacist;
