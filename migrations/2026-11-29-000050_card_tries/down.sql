DROP TABLE card_try;
