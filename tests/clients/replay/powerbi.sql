--- must tables
--- has: public|profiles|BASE TABLE
--- has: public|identity_conflicts|VIEW
select TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE from INFORMATION_SCHEMA.tables where TABLE_SCHEMA not in ('information_schema', 'pg_catalog') order by TABLE_SCHEMA, TABLE_NAME

--- must columns
--- has: profile_id|1|NO|bigint
--- has: spend|12|YES|numeric
select COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, case when (data_type like '%unsigned%') then DATA_TYPE || ' unsigned' else DATA_TYPE end as DATA_TYPE
from INFORMATION_SCHEMA.columns where TABLE_SCHEMA = 'public' and TABLE_NAME = 'profiles' order by TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION

--- must keys that point to a table
--- rows: 0
select pkcol.COLUMN_NAME as PK_COLUMN_NAME, fkcol.TABLE_SCHEMA AS FK_TABLE_SCHEMA, fkcol.TABLE_NAME AS FK_TABLE_NAME, fkcol.COLUMN_NAME as FK_COLUMN_NAME, fkcol.ORDINAL_POSITION as ORDINAL,
    fkcon.CONSTRAINT_SCHEMA || '_' || fkcol.TABLE_NAME || '_' || 'profiles' || '_' || fkcon.CONSTRAINT_NAME as FK_NAME
from (select distinct constraint_catalog, constraint_schema, unique_constraint_schema, constraint_name, unique_constraint_name from INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS) fkcon
inner join INFORMATION_SCHEMA.KEY_COLUMN_USAGE fkcol on fkcon.CONSTRAINT_SCHEMA = fkcol.CONSTRAINT_SCHEMA and fkcon.CONSTRAINT_NAME = fkcol.CONSTRAINT_NAME
inner join INFORMATION_SCHEMA.KEY_COLUMN_USAGE pkcol on fkcon.UNIQUE_CONSTRAINT_SCHEMA = pkcol.CONSTRAINT_SCHEMA and fkcon.UNIQUE_CONSTRAINT_NAME = pkcol.CONSTRAINT_NAME
where pkcol.TABLE_SCHEMA = 'public' and pkcol.TABLE_NAME = 'profiles' and pkcol.ORDINAL_POSITION = fkcol.ORDINAL_POSITION order by FK_NAME, fkcol.ORDINAL_POSITION

--- must primary keys and unique columns
--- has: profiles_pkey|profile_id|1|PK
select i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME as INDEX_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION, case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'Y' else 'N' end as PRIMARY_KEY
from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME
    and i.TABLE_SCHEMA = ii.TABLE_SCHEMA and i.TABLE_NAME = ii.TABLE_NAME where false ;;
select i.CONSTRAINT_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION, case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'PK' else 'N' end as PRIMARY_KEY
from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME
    and i.TABLE_SCHEMA = ii.TABLE_SCHEMA and i.TABLE_NAME = ii.TABLE_NAME
where i.TABLE_SCHEMA = 'public' and i.TABLE_NAME = 'profiles' and i.CONSTRAINT_TYPE in ('PRIMARY KEY', 'UNIQUE') order by 1, ii.ORDINAL_POSITION

--- must preview
--- rows: 1000
select "$Table"."profile_id" as "profile_id", "$Table"."spend" as "spend", "$Table"."birth_date" as "birth_date", "$Table"."tags" as "tags" from "public"."profiles" "$Table" limit 4096

--- must folded grouping
--- has: Hull|334|*
select "rows"."city" as "city", count(1) as "Count", sum("rows"."spend") as "Sum" from (select "_"."city", "_"."spend" from "public"."profiles" "_" where "_"."city" is not null) "rows" group by "city"

--- must direct query with a limit
--- rows: 2
select "_"."city" as "c1", "_"."a0" as "a0" from (select "rows"."city" as "city", sum(cast("rows"."visits" as decimal)) as "a0" from (select "city", "visits" from "public"."profiles" "$Table") "rows" group by "city") "_"
where not "_"."a0" is null and not "_"."city" is null limit 1000001

--- must character sets
--- rows: 1+
select character_set_name from INFORMATION_SCHEMA.character_sets

--- must databases
--- has: {database}
SELECT datname FROM pg_database WHERE datallowconn = true
