DROP TABLE saved_answer;
