--- must state of the session
--- has: {database}|public|*
SELECT current_database() AS a, current_schema() AS b, current_user AS c, pg_catalog.pg_is_in_recovery() AS d

--- must names that are alike
--- rows: 1
SELECT current_database(), current_catalog, current_user, session_user, NULL, NULL

--- must databases with their descriptions
--- has: *|{database}|*
SELECT n.oid::bigint AS id, datname AS name, d.description, datistemplate AS is_template, datallowconn AS allow_connections, pg_catalog.pg_get_userbyid(n.datdba) AS owner
FROM pg_catalog.pg_database n LEFT JOIN pg_catalog.pg_shdescription d ON n.oid = d.objoid
ORDER BY CASE WHEN datname = pg_catalog.current_database() THEN -1::bigint ELSE n.oid::bigint END

--- must roles with their descriptions
--- has: *|{user}|*
SELECT r.oid::bigint AS role_id, rolname AS role_name, rolsuper AS is_super, rolinherit AS is_inherit, rolcreaterole AS can_createrole, rolcreatedb AS can_createdb,
    rolcanlogin AS can_login, rolreplication AS is_replication, rolconnlimit AS conn_limit, rolvaliduntil AS valid_until, rolbypassrls AS bypass_rls, rolconfig AS config, d.description
FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_shdescription d ON d.objoid = r.oid

--- must schemas with their state
--- has: *|*|public|*|*
SELECT n.oid::bigint AS id, n.xmin AS state_number, nspname AS name, d.description, pg_catalog.pg_get_userbyid(n.nspowner) AS "owner"
FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_description d ON n.oid = d.objoid AND d.classoid = 'pg_catalog.pg_namespace'::regclass

--- must transaction in progress
--- rows: 1
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.txid_current()::varchar::bigint END AS current_txid

--- must startup time
--- rows: 1
SELECT round(extract(epoch FROM pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC')) AS startup_time

--- must time zones
--- has: Europe/Berlin|*
SELECT name, is_dst FROM pg_catalog.pg_timezone_names UNION DISTINCT SELECT abbrev AS name, is_dst FROM pg_catalog.pg_timezone_abbrevs

--- must relations of a schema
--- has: r|profiles|*
SELECT t.relkind AS table_kind, t.relname AS table_name, t.oid AS table_id, t.xmin AS table_state_number, false AS table_with_oids, t.reltablespace AS tablespace_id,
    t.reloptions AS options, t.relpersistence AS persistence,
    (SELECT pg_catalog.array_agg(inhparent::bigint ORDER BY inhseqno)::varchar FROM pg_catalog.pg_inherits WHERE t.oid = inhrelid) AS ancestors,
    (SELECT pg_catalog.array_agg(inhrelid::bigint ORDER BY inhrelid)::varchar FROM pg_catalog.pg_inherits WHERE t.oid = inhparent) AS successors,
    t.relispartition AS is_partition, pg_catalog.pg_get_partkeydef(t.oid) AS partition_key, pg_catalog.pg_get_expr(t.relpartbound, t.oid) AS partition_expression, t.relam AS am_id,
    pg_catalog.pg_get_userbyid(t.relowner) AS "owner"
FROM pg_catalog.pg_class t WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'v', 'f', 'p') ORDER BY table_kind, table_id

--- must columns of a schema
--- has: 1|profile_id|bigint|*
WITH t AS (SELECT t.oid AS table_id, t.relname AS table_name FROM pg_catalog.pg_class t WHERE t.relnamespace = 'public'::regnamespace::oid AND t.relkind IN ('r', 'm', 'v', 'f', 'p') AND t.relname = 'profiles')
SELECT c.attnum AS column_position, c.attname AS column_name, pg_catalog.format_type(c.atttypid, c.atttypmod) AS type_spec, t.table_id, c.xmin AS column_state_number, c.atttypmod AS type_mod,
    c.attndims AS dimensions_number, c.attnotnull AS mandatory, d.adbin IS NOT NULL AS has_default, pg_catalog.pg_get_expr(d.adbin, c.attrelid) AS column_default_expression,
    c.attcacheoff, c.attcollation, c.attidentity AS identity_kind, c.attgenerated AS generated
FROM t JOIN pg_catalog.pg_attribute c ON t.table_id = c.attrelid LEFT JOIN pg_catalog.pg_attrdef d ON c.attrelid = d.adrelid AND c.attnum = d.adnum
WHERE attnum > 0 AND NOT attisdropped ORDER BY table_id, attnum

--- must indexes of a schema
--- has: *|profiles_pkey|btree|True|1|0|*
SELECT tab.oid table_id, ind_head.relname, am.amname AS access_method_id, ind_stor.indisunique AS is_unique, ind_stor.indkey AS column_positions, ind_stor.indoption AS column_options, ind_stor.indclass AS operator_classes,
    pg_catalog.pg_get_expr(ind_stor.indpred, ind_stor.indrelid) AS condition, ind_stor.indisclustered, ind_stor.indisprimary AS is_primary, opcmethod AS access_method, ind_head.reltablespace
FROM pg_catalog.pg_class tab JOIN pg_catalog.pg_index ind_stor ON tab.oid = ind_stor.indrelid JOIN pg_catalog.pg_class ind_head ON ind_head.oid = ind_stor.indexrelid
LEFT JOIN pg_catalog.pg_opclass ON pg_opclass.oid = ANY(indclass) JOIN pg_catalog.pg_am am ON am.oid = ind_head.relam
WHERE tab.relnamespace = 'public'::regnamespace AND tab.relkind IN ('r', 'm', 'v', 'p') AND ind_head.relname = 'profiles_pkey'

--- must constraints of a schema
--- has: *|r|*profiles_pkey|p|*
SELECT r.oid AS table_id, relkind AS table_kind, conname, contype AS con_kind, conkey AS con_columns, conindid AS index_id, confrelid AS ref_table_id, condeferrable AS is_deferrable,
    condeferred AS is_init_deferred, confupdtype AS on_update, confdeltype AS on_delete, connoinherit AS no_inherit, pg_catalog.pg_get_expr(conbin, conrelid) AS con_expression, confkey AS ref_columns,
    conexclop::int[] AS excl_operators, array(SELECT unnest::regoper::varchar FROM unnest(conexclop)) AS excl_operators_str
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = conrelid
WHERE r.relkind IN ('r', 'v', 'f', 'p') AND relnamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f', 'c', 'x') AND connamespace = relnamespace

--- must descriptions of a schema
--- has: *|*|*
SELECT t.oid id, t.relname, d.description FROM pg_catalog.pg_class t JOIN pg_catalog.pg_description d ON t.oid = d.objoid
WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'm', 'v', 'p', 'f', 'i', 'S', 'c') AND d.classoid = 'pg_catalog.pg_class'::regclass ORDER BY t.oid, objsubid

--- must routines of a schema
--- has: *|profile_of|f|*
WITH languages AS (SELECT oid AS lang_oid, lanname AS lang FROM pg_catalog.pg_language),
routines AS (SELECT proname AS r_name, prolang AS lang_oid, oid AS r_id, xmin AS r_state_number, proargnames AS arg_names, proargmodes AS arg_modes, proargtypes::int[] AS in_arg_types,
    proallargtypes::int[] AS all_arg_types, pg_catalog.pg_get_expr(proargdefaults, 0) AS arg_defaults, provariadic AS arg_variadic_id, prorettype AS ret_type_id, proretset AS ret_set, prokind AS kind,
    provolatile AS volatile_kind, proisstrict AS is_strict, prosecdef AS is_security_definer, proconfig AS configuration_parameters, procost AS cost, pg_catalog.pg_get_userbyid(proowner) AS "owner", prorows AS rows, proleakproof AS is_leakproof, proparallel AS concurrency_kind
    FROM pg_catalog.pg_proc WHERE pronamespace = 'public'::regnamespace AND NOT (prokind = 'a'))
SELECT lang, r_name, kind, r_id, in_arg_types, ret_type_id FROM routines NATURAL JOIN languages ORDER BY lang, r_name

--- must source of a view
--- has: *|*SELECT*
SELECT t.oid AS view_id, pg_catalog.pg_get_viewdef(t.oid, true) AS source_text FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON t.relnamespace = n.oid WHERE n.nspname = 'public' AND t.relname = 'identity_conflicts' AND relkind = 'v'

--- must dependencies of views
--- rows: 0+
SELECT d.objid AS dependent_id, d.refobjid AS owner_id, d.refobjsubid AS owner_subobject_id FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class c ON c.oid = r.ev_class WHERE c.relnamespace = 'public'::regnamespace AND d.deptype = 'n'

--- must triggers and rules
--- rows: 0
SELECT t.tgrelid AS table_id, t.oid AS trigger_id, t.xmin AS trigger_state_number, t.tgname AS trigger_name, t.tgfoid AS function_id, pg_catalog.encode(t.tgargs, 'escape') AS function_args,
    t.tgtype AS bits, t.tgdeferrable AS is_deferrable, t.tginitdeferred AS is_init_deferred, t.tgenabled AS trigger_fire_mode, t.tgattr AS columns, t.tgconstraint != 0 AS is_constraint
FROM pg_catalog.pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal

--- must access rights of a schema
--- has: *|*
SELECT t.oid AS object_id, t.relacl AS acl FROM pg_catalog.pg_class t WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'm', 'v', 'f', 'p') ORDER BY t.oid

--- must operators, casts and collations
--- rows: 0+
SELECT c.oid, castsource::regtype::text, casttarget::regtype::text, castfunc, castcontext FROM pg_catalog.pg_cast c WHERE c.oid > 16384

--- must data page
--- rows: 501
SELECT t.* FROM public.profiles t LIMIT 501
