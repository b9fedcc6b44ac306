DROP TABLE matching_clock;
