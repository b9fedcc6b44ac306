DROP INDEX orders_station;
