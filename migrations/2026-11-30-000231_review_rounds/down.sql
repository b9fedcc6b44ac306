DROP TABLE review_alert;
DROP TABLE review_round;
