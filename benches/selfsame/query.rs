//! Reports as BI tools ask for them, over merged profiles that are up to date. Elements are profiles:
//! each query looks at all of them.

use criterion::{Criterion, Throughput};

use crate::store::Store;

/// What is asked, in words and in SQL.
const QUERIES: &[(&str, &str)] = &[
    ("group by country", "SELECT country, count(*) FROM profiles GROUP BY country ORDER BY 2 DESC"),
    (
        "filter by consent, country and value, and count",
        "SELECT count(*) FROM profiles
         WHERE email_consent AND country = 'ES' AND lifetime_value > 100",
    ),
    (
        "top 10 by lifetime value",
        "SELECT profile_id, first_name, last_name, lifetime_value FROM profiles
         WHERE lifetime_value IS NOT NULL ORDER BY lifetime_value DESC, profile_id LIMIT 10",
    ),
    (
        "join with purchases, sum by country",
        "SELECT p.country, count(*), sum(e.amount)
         FROM profiles p JOIN events e ON e.profile_id = p.profile_id
         WHERE e.dataset = 'purchases' GROUP BY p.country ORDER BY 3 DESC",
    ),
    (
        "histogram of lifetime value",
        "SELECT floor(lifetime_value / 100) * 100 AS at_least, count(*) FROM profiles
         WHERE lifetime_value IS NOT NULL GROUP BY 1 ORDER BY 1",
    ),
    (
        "distinct e-mail addresses, telephones, cities",
        "SELECT count(DISTINCT email), count(DISTINCT phone), count(DISTINCT city) FROM profiles",
    ),
];

/// Measures each query, planned before and read to the last row.
pub fn bench(criterion: &mut Criterion, store: &Store) {
    let mut group = criterion.benchmark_group("query");
    group.throughput(Throughput::Elements(store.number("SELECT count(*) FROM profiles")));
    for (what, sql) in QUERIES {
        let prepared = store.prepare(sql);
        assert!(store.execute_each(&prepared, vec![Vec::new()]) > 0, "{sql} gives no rows");
        group.bench_function(*what, |bencher| {
            bencher.iter(|| store.execute_each(&prepared, vec![Vec::new()]));
        });
    }
    group.finish();
}
