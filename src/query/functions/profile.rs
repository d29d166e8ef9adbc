//! `profile(namespace, value [, policy])`: one person's merged row, as `profiles` has it, by look-up.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::engine::profiles::schema;
use crate::error::{Error, Result};
use crate::query::functions::{Argument, Context, Signature, TableFunction};

/// The function.
#[derive(Debug)]
pub struct Profile;

const SIGNATURE: Signature = Signature {
    name: "profile",
    parameters: &["namespace", "value", "policy"],
    required_count: 2,
    result: "TABLE(profile_id bigint, attributes as in profiles)",
    comment: "the merged row of the person whom an identity belongs to",
    example: "SELECT * FROM profile('email', 'ann@example.com')",
};

impl TableFunction for Profile {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, context: &Context, arguments: &[Argument]) -> Result<SchemaRef> {
        let policy = match arguments.get(2) {
            None | Some(Argument::Null) => &context.policy,
            Some(Argument::Text(policy)) => policy,
            Some(Argument::Open) => {
                let message = "the policy of profile() must be a constant";
                let hint = "write its name into the statement, or use SET merge_policy: \
                            the policy decides the columns";
                return Err(Error::unsupported(message).hint(hint));
            }
        };
        let catalog = context.snapshot.catalog();
        schema(catalog, catalog.policy(policy)?)
    }

    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let (namespace, value, policy) = match *arguments {
            [namespace, value, policy] => (namespace, value, policy),
            [namespace, value] => (namespace, value, context.policy.as_str()),
            _ => return Err(Error::internal("profile() was called with other arguments")),
        };
        let snapshot = &context.snapshot;
        let definition = snapshot.catalog().policy(policy)?;
        let found = match snapshot.person_of(definition, namespace, value)? {
            Some(profile) => context.database.profile(snapshot, policy, profile)?,
            None => None,
        };
        let catalog = snapshot.catalog();
        match found {
            Some(row) => Ok(row),
            None => Ok(RecordBatch::new_empty(schema(catalog, catalog.policy(policy)?)?)),
        }
    }
}
