-- What was mended stays mended.
UPDATE offer SET state = state WHERE 1 = 0;
