--- must isolation and identity
--- has: {database}|{user}|public
BEGIN ;; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED ;; COMMIT ;; SELECT current_database(), current_user, current_schema()

--- must tables over ODBC
--- has: profiles|public|r
select relname, nspname, relkind from pg_catalog.pg_class c, pg_catalog.pg_namespace n where relkind in ('r', 'v', 'm', 'f', 'p')
and nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'pg_temp_1') and n.oid = relnamespace order by nspname, relname

--- must columns over ODBC
--- has: public|profiles|profile_id|20|int8|1|*|-1|True|*
select n.nspname, c.relname, a.attname, a.atttypid, t.typname, a.attnum, a.attlen, a.atttypmod, a.attnotnull, c.relhasrules, c.relkind, c.oid, pg_get_expr(d.adbin, d.adrelid),
    case t.typtype when 'd' then t.typbasetype else 0 end, t.typtypmod, c.relhasoids from (((
    (select oid, relname, relnamespace, relkind, relhasrules, 0 as relhasoids from pg_catalog.pg_class) c inner join pg_catalog.pg_namespace n on n.oid = c.relnamespace and c.relname = 'profiles' and n.nspname = 'public')
    inner join pg_catalog.pg_attribute a on (not a.attisdropped) and a.attnum > 0 and a.attrelid = c.oid)
    inner join pg_catalog.pg_type t on t.oid = a.atttypid) left outer join pg_attrdef d on a.atthasdef and d.adrelid = a.attrelid and d.adnum = a.attnum order by n.nspname, c.relname, attnum

--- must primary key over ODBC
--- has: profile_id|1|profiles|public|profiles_pkey
select ta.attname, ia.attnum, tc.relname, n.nspname, ic.relname from pg_catalog.pg_attribute ta, pg_catalog.pg_attribute ia, pg_catalog.pg_class tc, pg_catalog.pg_index i, pg_catalog.pg_namespace n, pg_catalog.pg_class ic
where tc.relname = 'profiles' AND n.nspname = 'public' AND tc.oid = i.indrelid AND n.oid = tc.relnamespace AND i.indisprimary = 't' AND ia.attrelid = i.indexrelid AND ta.attrelid = i.indrelid
AND ta.attnum = i.indkey[ia.attnum-1] AND (NOT ta.attisdropped) AND (NOT ia.attisdropped) AND ic.oid = i.indexrelid order by ia.attnum

--- must foreign keys over ODBC
--- rows: 0
select 'demo'::name as "PKTABLE_CAT", n2.nspname as "PKTABLE_SCHEM", c2.relname as "PKTABLE_NAME", a2.attname as "PKCOLUMN_NAME", 'demo'::name as "FKTABLE_CAT", n1.nspname as "FKTABLE_SCHEM", c1.relname as "FKTABLE_NAME",
    a1.attname as "FKCOLUMN_NAME", i::int2 as "KEY_SEQ", case ref.confupdtype when 'c' then 0::int2 when 'n' then 2::int2 when 'd' then 4::int2 when 'r' then 1::int2 else 3::int2 end as "UPDATE_RULE",
    ref.conname as "FK_NAME", cn.conname as "PK_NAME" from
    ((((((( (select cn.oid, conrelid, conkey, confrelid, confkey, generate_series(array_lower(conkey, 1), array_upper(conkey, 1)) as i, confupdtype, confdeltype, conname, condeferrable, condeferred
        from pg_catalog.pg_constraint cn, pg_catalog.pg_class c, pg_catalog.pg_namespace n where contype = 'f' and conrelid = c.oid and relname = 'profiles' and n.oid = c.relnamespace and n.nspname = 'public') ref
    inner join pg_catalog.pg_class c1 on c1.oid = ref.conrelid) inner join pg_catalog.pg_namespace n1 on n1.oid = c1.relnamespace)
    inner join pg_catalog.pg_attribute a1 on a1.attrelid = c1.oid and a1.attnum = conkey[i]) inner join pg_catalog.pg_class c2 on c2.oid = ref.confrelid) inner join pg_catalog.pg_namespace n2 on n2.oid = c2.relnamespace)
    inner join pg_catalog.pg_attribute a2 on a2.attrelid = c2.oid and a2.attnum = confkey[i]) left outer join pg_catalog.pg_constraint cn on cn.conrelid = ref.confrelid and cn.contype = 'p') order by ref.oid, ref.i

--- must enumeration of types
--- has: int4|*
SELECT t.typname, t.oid FROM pg_type t JOIN pg_namespace n ON t.typnamespace = n.oid WHERE n.nspname != 'pg_toast' ORDER BY 1

--- must statement that finds the shape of a query
--- rows: 0
SELECT * FROM (SELECT "profiles"."city" AS "city", "profiles"."spend" AS "spend" FROM "public"."profiles" "profiles") "TableauSQL" LIMIT 0

--- must totals
--- has: 625625.00|1000
SELECT SUM("profiles"."spend") AS "sum:spend:ok", SUM(1) AS "sum:Number of Records:ok" FROM "public"."profiles" "profiles" HAVING (COUNT(1) > 0)

--- must grouping by a part of a date
--- rows: 3
SELECT CAST(EXTRACT(YEAR FROM "profiles"."birth_date") AS INTEGER) AS "yr:birth_date:ok", SUM("profiles"."spend") AS "sum" FROM "public"."profiles" "profiles" GROUP BY 1 ORDER BY 1 ASC ;;
SELECT DATE_TRUNC('YEAR', CAST("profiles"."birth_date" AS TIMESTAMP WITHOUT TIME ZONE)) AS "tyr", COUNT(DISTINCT "profiles"."city") FROM "public"."profiles" "profiles" WHERE birth_date < '2004-01-01' GROUP BY 1

--- must filter on top members
--- rows: 2
SELECT "profiles"."city" AS "city", COUNT(1) FROM "public"."profiles" "profiles" INNER JOIN (SELECT "profiles"."city" AS "city", SUM("profiles"."spend") AS "$__alias__0" FROM "public"."profiles" "profiles"
    WHERE city IS NOT NULL GROUP BY 1 ORDER BY 2 DESC NULLS LAST LIMIT 10) "t0" ON ("profiles"."city" = "t0"."city") GROUP BY 1

--- should probe of temporary tables
BEGIN ;; CREATE LOCAL TEMPORARY TABLE "#Tableau_1_Connect" ("COL" INTEGER) ON COMMIT PRESERVE ROWS ;; INSERT INTO "#Tableau_1_Connect" VALUES (1) ;; SELECT count(*) FROM "#Tableau_1_Connect" ;; DROP TABLE "#Tableau_1_Connect" ;; COMMIT
