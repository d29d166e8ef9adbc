-- What every check finds: the same rows as in postgres.sql, of which `profiles` is derived here.
CREATE NAMESPACE crm_id RANK 1;
CREATE NAMESPACE email KIND EMAIL RANK 2 NORMALIZE lower;
CREATE DATASET crm (
    customer_no text IDENTITY crm_id,
    email text IDENTITY email,
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
    updated_at timestamptz OBSERVED AT
);
CREATE EVENT DATASET purchases (
    order_id text EVENT ID,
    email text IDENTITY email,
    amount numeric(12,2),
    product text,
    ts timestamptz OBSERVED AT
);
