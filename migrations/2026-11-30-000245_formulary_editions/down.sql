DROP TABLE formulary_edition;
