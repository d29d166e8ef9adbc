--- must session
--- has: public|{user}
SELECT current_schema(), session_user

--- must settings
SET extra_float_digits = 3 ;; SET application_name = 'DBeaver 24 - Main' ;; SELECT version()

--- must search path
--- rows: 1
SHOW search_path

--- must databases
--- has: *{database}*
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR db.datname = $1 ORDER BY db.datname
--- parameters: {database}

--- must one database
--- has: *|{database}|*
SELECT db.oid, db.datname, db.encoding, pg_encoding_to_char(db.encoding) FROM pg_catalog.pg_database db WHERE datname = current_database()

--- must types of the session
--- has: *|int4|*
SELECT t.oid, t.typname, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name, d.description
FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem
LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid
WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')

--- must schemas
--- has: *|public|*
SELECT n.oid, n.nspname, n.*, d.description FROM pg_catalog.pg_namespace n
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname

--- must relations of a schema
--- has: *|profiles|*
SELECT c.oid, c.relname, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key
FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public') AND c.relkind NOT IN ('i', 'I', 'c')

--- must columns of a relation
--- has: profiles|*|profile_id|*
--- has: profiles|*|spend|*
SELECT c.relname, a.attrelid, a.attname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid
FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid)
LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid
WHERE NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'c') AND c.oid = 'profiles'::regclass ORDER BY a.attnum

--- must constraints of a schema
--- has: *profiles_pkey|p|*profiles|*
SELECT c.oid, c.conname, c.contype, t.relname AS tabrelname, c.conkey, rt.relnamespace AS refnamespace, d.description,
    CASE WHEN c.contype = 'c' THEN "substring"(pg_get_constraintdef(c.oid), 7) ELSE NULL END consrc_copy
FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_constraint'::regclass
WHERE t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public') ORDER BY c.oid

--- must indexes of a table
--- has: 1|profiles_pkey|profiles|*
SELECT i.indkey AS keys, c.relname, tc.relname AS tabrelname, i.*, dsc.description, pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) AS expr
FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid
LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid = dsc.objoid
WHERE i.indrelid = 'profiles'::regclass ORDER BY c.relname

--- must functions of a schema
--- has: *|profile_of|*
SELECT p.oid, p.proname, p.*, d.description FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = p.oid
WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public') ORDER BY p.proname

--- must definition of a view
--- rows: 1
SELECT pg_catalog.pg_get_viewdef('identity_conflicts'::regclass, true)

--- must size of a table
--- rows: 1
SELECT pg_catalog.pg_table_size('profiles'::regclass) AS rel_size, pg_catalog.pg_relation_size('profiles'::regclass), pg_catalog.pg_total_relation_size('profiles'::regclass)

--- must sizes of a schema's tables
--- has: *|*|0
SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid) AS total_rel_size, pg_catalog.pg_relation_size(c.oid) * 0 AS rel_size
FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public') AND c.relkind = 'r'

--- must roles
--- has: *|{user}|*
SELECT a.oid, a.rolname, a.*, pd.description FROM pg_catalog.pg_roles a
LEFT JOIN pg_catalog.pg_shdescription pd ON a.oid = pd.objoid ORDER BY a.rolname

--- must privileges of a table
--- rows: 0+
SELECT * FROM information_schema.table_privileges WHERE table_catalog = current_database() AND table_schema = 'public' AND table_name = 'profiles'

--- must sessions
--- has: *DBeaver*
SET application_name = 'DBeaver 24 - Sessions' ;; SELECT sa.* FROM pg_catalog.pg_stat_activity sa

--- must locks
SELECT * FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON l.pid = a.pid

--- must objects found by name
--- has: *|profiles|*|r
SELECT x.oid, x.relname, x.relnamespace, x.relkind FROM pg_catalog.pg_class x
WHERE x.relkind IN ('r', 'v', 'm', 'f', 'p') AND x.relname LIKE 'prof%' AND x.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = 'public') ORDER BY x.relname LIMIT 10

--- must data of a table with its count
--- has: 1000
SELECT count(*) FROM (SELECT x.* FROM public.profiles x) AS c_x

--- must extensions, event triggers, foreign servers, languages
--- rows: 0+
SELECT e.oid, cfg.tbls, n.nspname AS schema_name, e.* FROM pg_catalog.pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
LEFT JOIN (SELECT ARRAY_AGG(ns.nspname || '.' || cls.relname) tbls, oid_ext FROM (
    SELECT unnest(e1.extconfig) oid, e1.oid oid_ext FROM pg_catalog.pg_extension e1) c
    JOIN pg_catalog.pg_class cls ON cls.oid = c.oid JOIN pg_catalog.pg_namespace ns ON ns.oid = cls.relnamespace GROUP BY oid_ext) cfg ON cfg.oid_ext = e.oid ORDER BY e.oid
