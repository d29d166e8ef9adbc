--- must settings of a session
SET SESSION TIMEZONE TO 'UTC'

--- must version and zone
--- has: UTC
SHOW TIMEZONE

--- must privileges on tables
--- has: {user}|public|profiles|True|True|True
WITH table_privileges AS (
    SELECT NULL AS role, t.schemaname AS schema, t.objectname AS table,
        pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'update') AS update,
        pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'select') AS select,
        pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"', 'insert') AS insert
    FROM (
        SELECT schemaname, tablename AS objectname FROM pg_catalog.pg_tables
        UNION SELECT schemaname, viewname AS objectname FROM pg_catalog.pg_views
        UNION SELECT schemaname, matviewname AS objectname FROM pg_catalog.pg_matviews
    ) t WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema' AND pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
SELECT current_user, schema, "table", "select", "update", insert FROM table_privileges WHERE "select"

--- must tables with comments and estimates
--- has: public|profiles|r|*|*
SELECT n.nspname AS schema, c.relname AS name, c.relkind AS type, d.description, stat.n_live_tup AS estimated_row_count
FROM pg_catalog.pg_class c
INNER JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid
LEFT JOIN pg_catalog.pg_description d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_stat_user_tables stat ON n.nspname = stat.schemaname AND c.relname = stat.relname
WHERE c.relnamespace = n.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
  AND n.nspname IN ('public') ORDER BY type, schema, name

--- must fields of all tables
--- has: profile_id|int8|0|public|profiles|True|*|*|False|*
--- has: spend|numeric|11|public|profiles|False|*|False|False|True
SELECT c.column_name AS name,
    CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN format('%s', c.udt_name) ELSE format('"%s"."%s"', c.udt_schema, c.udt_name) END AS "database-type",
    c.ordinal_position - 1 AS "database-position", c.table_schema AS "table-schema", c.table_name AS "table-name",
    pk.column_name IS NOT NULL AS "pk?",
    col_description(CAST(CAST(format('%I.%I', CAST(c.table_schema AS text), CAST(c.table_name AS text)) AS regclass) AS oid), c.ordinal_position) AS "field-comment",
    (c.column_default IS NULL OR lower(c.column_default) = 'null') AND c.is_nullable = 'NO' AND NOT (c.column_default IS NOT NULL AND c.column_default LIKE '%nextval(%')
        AND c.is_identity = 'NO' AS "database-required",
    (c.column_default IS NOT NULL AND c.column_default LIKE '%nextval(%') OR c.is_identity <> 'NO' AS "database-is-auto-increment",
    c.is_nullable = 'YES' AS "database-is-nullable"
FROM information_schema.columns AS c
LEFT JOIN (
    SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc
    INNER JOIN information_schema.key_column_usage AS kc ON tc.constraint_name = kc.constraint_name AND tc.table_schema = kc.table_schema AND tc.table_name = kc.table_name
    WHERE tc.constraint_type = 'PRIMARY KEY'
) AS pk ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('public')
ORDER BY "table-schema", "table-name", "database-position"

--- must foreign keys of all tables
--- rows: 0
SELECT fk_ns.nspname AS "fk-table-schema", fk_table.relname AS "fk-table-name", fk_column.attname AS "fk-column-name",
    pk_ns.nspname AS "pk-table-schema", pk_table.relname AS "pk-table-name", pk_column.attname AS "pk-column-name"
FROM pg_constraint AS c
INNER JOIN pg_class AS fk_table ON c.conrelid = fk_table.oid
INNER JOIN pg_namespace AS fk_ns ON c.connamespace = fk_ns.oid
INNER JOIN pg_attribute AS fk_column ON c.conrelid = fk_column.attrelid
INNER JOIN pg_class AS pk_table ON c.confrelid = pk_table.oid
INNER JOIN pg_namespace AS pk_ns ON pk_table.relnamespace = pk_ns.oid
INNER JOIN pg_attribute AS pk_column ON c.confrelid = pk_column.attrelid
WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND c.contype = 'f'::char
  AND fk_column.attnum = ANY(c.conkey) AND pk_column.attnum = ANY(c.confkey)
ORDER BY fk_ns.nspname, fk_table.relname

--- must indexes of a table
--- has: public|profiles|profile_id|*
SELECT tmp.table_schema, tmp.table_name, tmp.field_name, tmp.field_position FROM (
    SELECT n.nspname AS table_schema, t.relname AS table_name, pg_catalog.pg_get_indexdef(ci.oid, (information_schema._pg_expandarray(i.indkey)).n, false) AS field_name,
        (information_schema._pg_expandarray(i.indkey)).n AS field_position, i.indpred IS NULL AS is_whole
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class ci ON ci.oid = i.indexrelid
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname !~ '^information_schema|pg_'
) tmp WHERE tmp.is_whole AND tmp.field_position = 1

--- must enums
--- rows: 0
SELECT nspname, typname, enumlabel FROM pg_enum JOIN pg_type t ON enumtypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)

--- must count of a table's rows
--- has: 1000
SELECT COUNT(*) AS "count" FROM "public"."profiles"

--- must fingerprint's sample
--- rows: 1000
SELECT "public"."profiles"."customer_no" AS "customer_no", SUBSTRING("public"."profiles"."email", 1, 1234) AS "substring1",
    "public"."profiles"."birth_date" AS "birth_date" FROM "public"."profiles" LIMIT 10000

--- must distinct values of a field
--- has: Hull
SELECT "public"."profiles"."city" AS "city" FROM "public"."profiles" GROUP BY "public"."profiles"."city" ORDER BY "public"."profiles"."city" ASC LIMIT 1000

--- must question by month
--- has: 2026-03-01*|200
SELECT CAST(DATE_TRUNC('month', "source"."ts") AS date) AS "ts", COUNT(*) AS "count"
FROM (SELECT "public"."purchases"."ts" AS "ts", "public"."purchases"."amount" AS "amount" FROM "public"."purchases") AS "source"
WHERE "source"."ts" >= DATE_TRUNC('month', timestamptz '2026-03-15 00:00:00Z') GROUP BY CAST(DATE_TRUNC('month', "source"."ts") AS date)
ORDER BY CAST(DATE_TRUNC('month', "source"."ts") AS date) ASC

--- must question with bins
--- rows: 10
SELECT FLOOR(("public"."profiles"."visits" / 100.0)) * 100.0 AS "visits", COUNT(*) AS "count"
FROM "public"."profiles" WHERE visits < 1000 GROUP BY FLOOR(("public"."profiles"."visits" / 100.0)) * 100.0 ORDER BY 1 ASC

--- must question with a join
--- has: Hull|68
SELECT "profiles"."city" AS "city", COUNT(*) AS "count" FROM "public"."purchases"
LEFT JOIN "public"."profiles" AS "profiles" ON "public"."purchases"."email" = "profiles"."email"
WHERE ("profiles"."city" <> $1 OR "profiles"."city" IS NULL) AND CAST("public"."purchases"."ts" AS date) <= $2::date GROUP BY "profiles"."city" ORDER BY 2
--- parameters: Leeds, 2026-03-09
