DROP TABLE recall_notice;
