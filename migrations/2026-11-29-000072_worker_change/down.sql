DROP TABLE worker_change;
