--- must Looker: version and cancel
--- rows: 1
SELECT pg_backend_pid(), current_setting('server_version')

--- must Looker: tables with sizes
--- has: public|profiles|*
SELECT n.nspname AS schema, c.relname AS name, pg_size_pretty(pg_total_relation_size(c.oid)), c.reltuples::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v') AND n.nspname = 'public'

--- must Looker: dates and symmetric aggregates
--- rows: 1
SELECT COALESCE(COALESCE(CAST((SUM(DISTINCT (CAST(FLOOR(COALESCE(p.spend, 0) * (1000000 * 1.0)) AS DECIMAL(38, 0))) + CAST(p.profile_id AS DECIMAL(38, 0))) - SUM(DISTINCT CAST(p.profile_id AS DECIMAL(38, 0)))) AS DOUBLE PRECISION) / CAST((1000000 * 1.0) AS DOUBLE PRECISION), 0), 0) AS total FROM profiles p

--- must Looker: derived table in a CTE
--- has: Hull|334
WITH by_city AS (SELECT city, COUNT(*) AS n FROM profiles GROUP BY 1) SELECT by_city.city AS "by_city.city", by_city.n AS "by_city.n" FROM by_city WHERE (by_city.n > 333 OR false) AND LENGTH(by_city.city) <> 0 GROUP BY 1, 2 ORDER BY 2 DESC FETCH NEXT 500 ROWS ONLY

--- must Sigma: columns with arrays of keys
--- has: profiles|{*profile_id*}
SELECT c.relname, ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1)::text FROM pg_class c WHERE c.relname = 'profiles' AND c.relkind = 'r'

--- must Redash: schema
--- has: public|profiles|spend|numeric
SELECT s.nspname AS table_schema, c.relname AS table_name, a.attname AS column_name, NULL AS column_type FROM pg_class c JOIN pg_namespace s ON c.relnamespace = s.oid AND s.nspname NOT IN ('pg_catalog', 'information_schema')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('m', 'f', 'p') AND has_table_privilege(s.nspname || '.' || c.relname, 'select')
UNION SELECT table_schema, table_name, column_name, data_type AS column_type FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')

--- must QuickSight: tables and columns
--- has: public|profiles|*
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type IN ('BASE TABLE', 'VIEW', 'FOREIGN TABLE', 'MATERIALIZED VIEW')

--- must ThoughtSpot: relations with their kinds
--- has: {database}|public|profiles|TABLE
SELECT current_database() AS "TABLE_CAT", n.nspname AS "TABLE_SCHEM", c.relname AS "TABLE_NAME", CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS "TABLE_TYPE"
FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass) WHERE c.relnamespace = n.oid AND n.nspname = 'public'

--- must MicroStrategy: columns by name
--- has: profiles|spend|numeric|12|2|*
SELECT DISTINCT table_name, column_name, udt_name, numeric_precision, numeric_scale, ordinal_position FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position

--- must Postico: relations with comments and keys
--- has: profiles|r|*|1
SELECT c.relname, c.relkind, obj_description(c.oid, 'pg_class'), (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p') FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')

--- must Excel: privileges and tables
--- has: profiles|True
SELECT c.relname, EXISTS (SELECT 1 FROM information_schema.table_privileges p WHERE p.table_name = c.relname AND p.privilege_type = 'SELECT') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relacl IS NOT DISTINCT FROM c.relacl

--- must Qlik: owner's tables
--- has: {database}|public|profiles|TABLE*
SELECT table_catalog, table_schema, table_name, CASE table_type WHEN 'BASE TABLE' THEN 'TABLE' ELSE table_type END FROM information_schema.tables WHERE table_schema LIKE 'pub%'

--- must TypeORM: tables and types
--- has: public
SELECT * FROM current_schema()

--- must TypeORM: columns
--- has: public|profiles|spend|numeric|numeric(12,2)
SELECT c.table_schema, c.table_name, c.column_name, c.data_type, ('' || format_type(a.atttypid, a.atttypmod)) AS regtype FROM information_schema.columns c
LEFT JOIN pg_catalog.pg_attribute a ON a.attname = c.column_name AND a.attrelid = ('"' || c.table_schema || '"."' || c.table_name || '"')::regclass WHERE c.table_schema = 'public' AND c.table_name = 'profiles'

--- must Prisma: tables, columns, keys
--- has: profiles|public|False|*
SELECT tbl.relname AS table_name, namespace.nspname AS namespace, (tbl.relhassubclass AND tbl.relkind = 'p') AS is_partition, obj_description(tbl.oid, 'pg_class') AS description, tbl.relrowsecurity AS has_row_level_security, reloptions
FROM pg_class AS tbl INNER JOIN pg_namespace AS namespace ON namespace.oid = tbl.relnamespace WHERE tbl.relkind = ANY (ARRAY['r', 'p']::"char"[]) AND namespace.nspname = ANY (ARRAY['public']) ORDER BY namespace, table_name

--- must Hasura: tables with columns as JSON
--- has: public|profiles|*profile_id*
SELECT n.nspname, t.relname, json_agg(json_build_object('name', a.attname, 'type', ty.typname, 'nullable', NOT a.attnotnull) ORDER BY a.attnum)::text FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 JOIN pg_type ty ON ty.oid = a.atttypid WHERE n.nspname = 'public' AND t.relkind IN ('r', 'v') GROUP BY 1, 2

--- must PostgREST: settings of a request
--- rows: 1
SELECT set_config('search_path', 'public', true), set_config('role', current_user, true), set_config('request.jwt.claims', '{}', true)

--- must Airbyte: privileges and cursor columns
--- has: public|profiles|True
SELECT DISTINCT table_schema, table_name, has_table_privilege('public.profiles', 'SELECT') FROM information_schema.tables t WHERE table_schema = 'public'

--- must Fivetran: version of the schema
--- rows: 1+
SELECT c.oid, c.relname, c.xmin::text, age(c.xmin) IS NOT NULL FROM pg_class c WHERE c.relname = 'profiles'

--- must ETL: page by key
--- has: 20|C0011
SELECT profile_id, customer_no FROM profiles WHERE profile_id > $1::bigint ORDER BY profile_id LIMIT 100
--- parameters: 18

--- must ETL: rows since a moment
--- rows: 10
SELECT * FROM profiles WHERE last_seen_at > (SELECT max(last_seen_at) FROM profiles) - interval '10 hours' ORDER BY last_seen_at DESC LIMIT 10

--- must Retool: schema in one statement
--- has: *|profiles|*
SELECT table_schema, table_name, array_agg(column_name::text || ':' || data_type::text ORDER BY ordinal_position)::text FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1, 2

--- must JetBrains-like: names of all columns
--- rows: 20+
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = ANY (SELECT oid FROM pg_class WHERE relname IN ('profiles', 'crm')) AND attnum > 0

--- must Beekeeper: relations with sizes
--- has: public|profiles|*|*
SELECT n.nspname, c.relname, pg_table_size(c.oid), obj_description(c.oid) FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = ANY('{r,v,m}'::char[]) AND n.nspname !~ '^pg_toast'

--- must Zeppelin and Hex: sample
--- rows: 10
SELECT * FROM public.profiles TABLESAMPLE BERNOULLI (100) LIMIT 10

--- must Ruby on Rails: types
--- has: int4|*
SELECT t.typname, t.oid, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type AS t LEFT JOIN pg_range AS r ON t.oid = r.rngtypid WHERE t.typname IN ('int2', 'int4', 'int8', 'text', 'varchar', 'numeric', 'bool')

--- must Ruby on Rails: columns
--- has: spend|numeric(12,2)|*
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated
FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation
WHERE a.attrelid = '"profiles"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

--- must Ruby on Rails: primary keys
--- has: profile_id
SELECT a.attname FROM (SELECT indrelid, indkey, generate_subscripts(indkey, 1) idx FROM pg_index WHERE indrelid = '"profiles"'::regclass AND indisprimary) i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.idx] ORDER BY i.idx

--- must Django: tables and their kinds
--- has: profiles|t|*
SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid)

--- must Django: constraints
--- has: profiles_pkey|{profile_id}|p|*
SELECT c.conname, array(SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx)::text, c.contype,
    (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions
FROM pg_constraint AS c JOIN pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'profiles' AND pg_catalog.pg_table_is_visible(cl.oid)

--- must postgres_exporter: activity
--- rows: 1+
SELECT pg_database.datname, tmp.state, COALESCE(count, 0) AS count FROM (VALUES ('active'), ('idle')) AS tmp(state) CROSS JOIN pg_database LEFT JOIN (SELECT datname, state, count(*) AS count FROM pg_stat_activity GROUP BY datname, state) AS tmp2
ON tmp.state = tmp2.state AND pg_database.datname = tmp2.datname

--- must pgbouncer and pools: server checks
--- rows: 1
SELECT 1 ;; SELECT pg_is_in_recovery(), current_setting('transaction_read_only')
