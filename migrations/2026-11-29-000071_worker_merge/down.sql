DROP TABLE worker_merge_row;
DROP TABLE worker_merge;
