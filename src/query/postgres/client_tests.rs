//! Metadata statements of drivers and BI tools, and what they must get back.

use crate::query::postgres::testing;

#[tokio::test]
async fn drivers_and_tools_get_their_answers() {
    testing::check_golden("clients.txt").await;
}
