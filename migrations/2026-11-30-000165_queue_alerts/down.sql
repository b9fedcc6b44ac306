DROP TABLE queue_alert;
