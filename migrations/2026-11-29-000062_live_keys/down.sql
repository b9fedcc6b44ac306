DROP TABLE reset_request;
DROP TABLE seal_key;
