DROP TABLE used_assertion;
DROP TABLE enrolment_code;
DROP TABLE device;
DROP TABLE cabinet;
DROP TABLE station;
DROP TABLE employer;
DROP TABLE hospital;
