//! Catalog schemas and relations as DataFusion sees them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use arrow::datatypes::SchemaRef;

use crate::query::postgres::catalog::{self, CatalogRelation, Filler, Rows};
use crate::query::postgres::description::Source;

/// One of the two catalog schemas.
#[derive(Debug)]
pub struct CatalogSchema {
    schema: &'static str,
    source: Arc<dyn Source>,
}

impl CatalogSchema {
    /// The schema of that name.
    pub fn new(schema: &'static str, source: Arc<dyn Source>) -> Self {
        Self { schema, source }
    }
}

#[async_trait]
impl SchemaProvider for CatalogSchema {
    fn table_names(&self) -> Vec<String> {
        let own = catalog::RELATIONS.iter().filter(|relation| relation.schema == self.schema);
        own.map(|relation| relation.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(table(self.schema, name, &self.source))
    }

    fn table_exist(&self, name: &str) -> bool {
        catalog::by_name(self.schema, name).is_some()
    }
}

/// The relation of that schema and name.
pub fn table(schema: &str, name: &str, source: &Arc<dyn Source>) -> Option<Arc<dyn TableProvider>> {
    let relation = catalog::by_name(schema, name)?;
    let Some(filler) = catalog::filler(schema, name) else {
        let empty = MemTable::try_new(Arc::clone(&relation.arrow), vec![vec![]]);
        return Some(Arc::new(empty.expect("no rows fit any schema")));
    };
    Some(Arc::new(CatalogTable { relation, filler, source: Arc::clone(source) }))
}

struct CatalogTable {
    relation: &'static CatalogRelation,
    filler: &'static Filler,
    source: Arc<dyn Source>,
}

impl std::fmt::Debug for CatalogTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CatalogTable({}.{})", self.relation.schema, self.relation.name)
    }
}

#[async_trait]
impl TableProvider for CatalogTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.relation.arrow)
    }

    fn table_type(&self) -> TableType {
        if self.relation.kind == 'v' { TableType::View } else { TableType::Base }
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut rows = Rows::new(self.relation);
        (self.filler.fill)(&self.source.describe(), &mut rows);
        let batch = rows.into_batch(projection)?;
        let schema = batch.schema();
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?)
    }
}
