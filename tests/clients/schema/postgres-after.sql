-- What Selfsame derives from the rows.
INSERT INTO identities
SELECT 2 * (visits - 1), 'crm_id', customer_no, 2 * (visits - 1) FROM crm
UNION ALL SELECT 2 * (visits - 1) + 1, 'email', email, 2 * (visits - 1) FROM crm;
INSERT INTO profiles
SELECT 2 * (visits - 1), customer_no, crm.email, first_name, city, tags, visits, big, small, score, ratio, spend, opted_in, birth_date,
    local_at, 2, 1 + events.count, events.count, least(updated_at, events.first_at), greatest(updated_at, events.last_at),
    CASE WHEN events.count > 0 THEN ARRAY['crm', 'purchases'] ELSE ARRAY['crm'] END
FROM crm, LATERAL (
    SELECT count(*) AS count, min(ts) AS first_at, max(ts) AS last_at FROM purchases WHERE purchases.email = crm.email
) AS events;
ANALYZE;
