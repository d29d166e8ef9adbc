-- A tour of the sample company, to be run in psql one query at a time or as a whole (\i tour.sql).
-- It follows one woman, María García, through every table, and then looks at everybody.

-- 1. A person by e-mail. Six systems have rows about her; here she is one row.
SELECT profile_id, first_name, last_name, email, phone, city, tier, lifetime_value
FROM profiles
WHERE email = 'maria@garcia.example';

-- 2. The same person by anything else that identifies her: a telephone number, an old address, a cookie.
SELECT i.namespace, i.identity, p.profile_id, p.email
FROM identities i
JOIN profiles p ON p.profile_id = i.profile_id
WHERE (i.namespace, i.identity) IN (('phone', '+34600100200'), ('email', 'maria.garcia@mail.example'))
ORDER BY i.namespace;

-- 3. Her fragments: the rows that the sources sent, as they are. Everything above is merged from these.
SELECT fragment_id, dataset, observed_at, first_name, city, postcode, country, email_consent, points
FROM fragments
WHERE profile_id = (SELECT profile_id FROM profiles WHERE email = 'maria@garcia.example')
  AND dataset IN ('crm', 'loyalty', 'web_profile', 'third_party')
ORDER BY observed_at;

-- 4. Who won, and who lost? Under the policy `latest` the newest name wins, though it has lost its accent.
SELECT first_name, dataset, observed_at,
       row_number() OVER (ORDER BY observed_at DESC) = 1 AS won
FROM fragments
WHERE profile_id = (SELECT profile_id FROM profiles WHERE email = 'maria@garcia.example')
  AND first_name IS NOT NULL
ORDER BY observed_at DESC;

-- 5. The same person under another policy. `trusted` believes the sales department about names, gives
--    street, city and postcode from one row, and takes her newest "no" to mail seriously. Under `latest`
--    the street is in Madrid and the postcode in Barcelona.
SELECT 'latest' AS policy, first_name, street, city, postcode, country, email_consent, page_views, segments
FROM profiles WHERE email = 'maria@garcia.example'
UNION ALL
SELECT 'trusted', first_name, street, city, postcode, country, email_consent, page_views, segments
FROM profiles_by.trusted WHERE email = 'maria@garcia.example'
ORDER BY policy;

-- 6. latest() is an aggregate like any other. By hand it says what `profiles` says.
SELECT p.profile_id,
       latest(f.first_name, f.observed_at) AS first_name_by_hand, p.first_name,
       latest(f.tier, f.observed_at) AS tier_by_hand, p.tier,
       latest(f.country, f.observed_at) AS country_by_hand, p.country
FROM fragments f
JOIN profiles p ON p.profile_id = f.profile_id
WHERE p.email = 'maria@garcia.example'
GROUP BY p.profile_id, p.first_name, p.tier, p.country;

-- 7. Everything that identifies her, and how often it was seen.
SELECT namespace, identity, fragment_count, link_count, first_seen_at, last_seen_at
FROM identities
WHERE profile_id = (SELECT profile_id FROM profiles WHERE email = 'maria@garcia.example')
ORDER BY namespace, identity;

-- 8. Why these are one person: the pairs that some row named together, the weakest first.
--    That her customer number and her card are one person's is known from a single order.
SELECT left_namespace, left_identity, right_namespace, right_identity, datasets, evidence_count
FROM identity_links
WHERE profile_id = (SELECT profile_id FROM profiles WHERE email = 'maria@garcia.example')
ORDER BY evidence_count, left_namespace, right_namespace;

-- 9. What she did. The first two clicks were nobody's until she logged in; they have followed her since.
SELECT observed_at, dataset, namespace, event_type, product, amount
FROM events
WHERE profile_id = (SELECT profile_id FROM profiles WHERE email = 'maria@garcia.example')
ORDER BY observed_at;

-- 10. How much there is: fragments in, people out.
SELECT dataset, count(*) AS fragments, count(DISTINCT profile_id) AS people,
       min(observed_at) AS first_observed_at, max(observed_at) AS last_observed_at
FROM fragments
GROUP BY dataset
ORDER BY dataset;

-- 11. Where sources disagree: how many people have two first names, two cities, a yes and a no.
SELECT count(*) AS people,
       count(*) FILTER (WHERE first_names > 1) AS with_first_names,
       count(*) FILTER (WHERE cities > 1) AS with_cities,
       count(*) FILTER (WHERE consents > 1) AS with_consents
FROM (
    SELECT profile_id, count(DISTINCT first_name) AS first_names, count(DISTINCT city) AS cities,
           count(DISTINCT email_consent) AS consents
    FROM fragments
    WHERE dataset IN ('crm', 'loyalty')
    GROUP BY profile_id
) AS told;

-- 12. What a policy costs: people who may be written to under one policy and not under the other.
SELECT l.email_consent AS latest, t.email_consent AS trusted, count(*) AS people
FROM profiles l
JOIN profiles_by.trusted t ON t.profile_id = l.profile_id
WHERE l.email_consent IS DISTINCT FROM t.email_consent
GROUP BY l.email_consent, t.email_consent
ORDER BY people DESC;

-- 13. How complete the profiles of known customers are, attribute by attribute.
SELECT count(*) AS people,
       CAST(100.0 * count(email) / count(*) AS NUMERIC(4,1)) AS email_percent,
       CAST(100.0 * count(phone) / count(*) AS NUMERIC(4,1)) AS phone_percent,
       CAST(100.0 * count(city) / count(*) AS NUMERIC(4,1)) AS city_percent,
       CAST(100.0 * count(birth_date) / count(*) AS NUMERIC(4,1)) AS birth_date_percent,
       CAST(100.0 * count(tier) / count(*) AS NUMERIC(4,1)) AS tier_percent,
       CAST(100.0 * count(segments) / count(*) AS NUMERIC(4,1)) AS segments_percent
FROM profiles
WHERE crm_id IS NOT NULL;

-- 14. Known customers, known visitors, strangers: cookies that nobody has ever logged in with.
SELECT CASE WHEN crm_id IS NOT NULL THEN 'customer'
            WHEN email IS NOT NULL THEN 'known visitor'
            ELSE 'stranger' END AS who,
       count(*) AS people, sum(event_count) AS events
FROM profiles
GROUP BY 1
ORDER BY people DESC;

-- 15. People who are too many to be one: a reseller's address at the top, chains of shared telephones below.
SELECT profile_id, email, identity_count, fragment_count, datasets
FROM profiles
ORDER BY identity_count DESC, profile_id
LIMIT 5;

-- 16. Top customers by what they bought. Orders made as a guest, by card or by cookie count as theirs.
SELECT p.profile_id, p.first_name, p.last_name, p.country, count(*) AS orders,
       sum(e.amount) AS amount, max(e.observed_at) AS last_order_at
FROM profiles p
JOIN events e ON e.profile_id = p.profile_id
WHERE e.dataset = 'purchases' AND e.currency = 'EUR'
GROUP BY p.profile_id, p.first_name, p.last_name, p.country
ORDER BY amount DESC, p.profile_id
LIMIT 10;

-- 17. What was refused, and why: nothing is ever dropped without a trace.
SELECT dataset, code, count(*) AS rows, min(message) AS for_example, min(line) AS first_line
FROM rejects
GROUP BY dataset, code
ORDER BY dataset, code;

-- 18. The definitions behind all this, and what was loaded.
SELECT name, kind, rank, normalization, blocked FROM selfsame.namespaces ORDER BY rank;
SELECT name, kind, row_count, identity_columns FROM selfsame.datasets;
SELECT name, is_default, definition FROM selfsame.merge_policies;
SELECT name, description FROM selfsame.merge_strategies;
SELECT * FROM selfsame.ingests ORDER BY ingest_id;
