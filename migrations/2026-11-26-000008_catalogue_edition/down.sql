DROP TABLE catalogue_edition;
