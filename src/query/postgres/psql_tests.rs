//! The statements that psql 15 sends for its backslash commands, and what it must get back.

use crate::query::postgres::testing;

#[tokio::test]
async fn psql_gets_its_answers() {
    testing::check_golden("psql.txt").await;
}
