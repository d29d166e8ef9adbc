--- must version
--- has: 1500
SELECT current_setting('server_version_num')::int/100 AS version

--- must extension timescaledb is absent
--- rows: 0
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'

--- must schemas
--- has: public
SELECT schema_name AS "name" FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') ORDER BY schema_name

--- must tables on the search path
--- has: profiles
--- has: purchases
SELECT CASE WHEN quote_ident(table_schema) IN (
    SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
    FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
        array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
        string_to_array(current_setting('search_path'), ',') s)
  THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog')
ORDER BY 1

--- must columns of a table
--- has: birth_date|date
--- has: spend|numeric
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('profiles'), 1) = 2
    THEN quote_ident(table_schema) = (parse_ident('profiles'))[1] AND quote_ident(table_name) = (parse_ident('profiles'))[2]
    ELSE quote_ident(table_name) = 'profiles' AND quote_ident(table_schema) IN (
        SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
        FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
            array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
            string_to_array(current_setting('search_path'), ',') s)
END

--- must time series by the hour
--- rows: 9
SELECT floor(extract(epoch from ts)/86400)*86400 AS "time", product AS metric, count(*) AS value
FROM purchases WHERE ts BETWEEN '2026-03-01T00:00:00Z' AND '2026-03-09T23:59:59Z' AND product = 'product 1'
GROUP BY 1, 2 ORDER BY 1, 2

--- must time series of moments
--- rows: 200
SELECT ts AS "time", amount FROM purchases WHERE ts >= '2026-03-01T00:00:00Z' AND ts < '2026-04-01T00:00:00Z' ORDER BY 1

--- must date_bin of moments
--- rows: 5+
SELECT date_bin('1 day', ts, TIMESTAMP '2026-01-01') AS time, sum(amount) FROM purchases GROUP BY 1 ORDER BY 1

--- must variable of a column
--- has: Hull
--- has: Leeds
SELECT DISTINCT city FROM profiles WHERE city IS NOT NULL
