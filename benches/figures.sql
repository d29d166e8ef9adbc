-- The statements behind the figures of the README: psql -h 127.0.0.1 -p 5442 -U selfsame -f benches/figures.sql
\timing on
SELECT count(*), count(email), max(last_seen_at) FROM profiles;
SELECT country, count(*) FROM profiles GROUP BY country ORDER BY 2 DESC LIMIT 3;
SELECT count(*) FROM profiles WHERE tier = 'gold' AND email_consent AND points > 1000;
SELECT profile_id, lifetime_value FROM profiles WHERE lifetime_value IS NOT NULL ORDER BY 2 DESC, 1 LIMIT 3;
SELECT e.event_type, count(*) FROM events e JOIN profiles p ON p.profile_id = e.profile_id WHERE p.tier = 'gold' GROUP BY 1 ORDER BY 2 DESC LIMIT 3;
SELECT count(DISTINCT city), count(DISTINCT email) FROM profiles;
SELECT first_name, city FROM profiles WHERE email = 'maria@garcia.example';
SELECT first_name, city FROM profiles WHERE profile_id = 0;
INSERT INTO crm (crm_id, email, city, updated_at) VALUES ('C-1001', 'maria@garcia.example', 'Sevilla', '2026-02-01');
SELECT city FROM profiles WHERE email = 'maria@garcia.example';
SELECT count(*) FROM profiles WHERE city = 'Sevilla';
