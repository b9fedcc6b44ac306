DROP TABLE rule_edition;
