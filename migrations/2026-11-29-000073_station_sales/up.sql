-- What a station sold today over the counter, for the limit on people whom nobody knows.
CREATE INDEX orders_station ON orders (station_id, created_at);
