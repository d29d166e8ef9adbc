-- What every check finds, as plain tables: `profiles` holds what Selfsame derives from the same rows.
CREATE SCHEMA selfsame;
ALTER DATABASE demo SET search_path = public; -- "$user" would be that schema
SET search_path = public;
CREATE TABLE crm (
    customer_no text,
    email text,
    first_name text,
    city text,
    tags text[],
    visits integer,
    big bigint,
    small smallint,
    score double precision,
    ratio real,
    spend numeric(12,2),
    opted_in boolean,
    birth_date date,
    local_at timestamp,
    updated_at timestamptz
);
CREATE TABLE purchases (
    order_id text,
    email text,
    amount numeric(12,2),
    product text,
    ts timestamptz
);
CREATE TABLE identities (
    identity_id bigint NOT NULL PRIMARY KEY,
    namespace text NOT NULL,
    identity text NOT NULL,
    profile_id bigint NOT NULL
);
CREATE TABLE profiles (
    profile_id bigint NOT NULL PRIMARY KEY,
    customer_no text,
    email text,
    first_name text,
    city text,
    tags text[],
    visits integer,
    big bigint,
    small smallint,
    score double precision,
    ratio real,
    spend numeric(12,2),
    opted_in boolean,
    birth_date date,
    local_at timestamp,
    identity_count bigint NOT NULL,
    fragment_count bigint NOT NULL,
    event_count bigint NOT NULL,
    first_seen_at timestamptz,
    last_seen_at timestamptz,
    datasets text[] NOT NULL
);
CREATE VIEW identity_conflicts AS
SELECT profile_id, identity AS left_identity, identity AS right_identity FROM identities WHERE false;
CREATE FUNCTION profile_of(namespace text, value text) RETURNS bigint LANGUAGE sql STABLE
AS 'SELECT profile_id FROM identities WHERE identities.namespace = $1 AND identity = $2';
COMMENT ON TABLE profiles IS 'one row per person';
COMMENT ON COLUMN profiles.profile_id IS 'the person''s number';
