//! `selfsame.settings`: the settings of the session and the server.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, texts};

/// The table.
#[derive(Debug)]
pub struct Settings;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("name", text(), false, "its name"),
        column("value", text(), false, "its value"),
        column("description", text(), false, "what it does"),
    ]
}

impl VirtualTable for Settings {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "settings, as SHOW gives them".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let all = binding.directory().settings();
        let columns: Vec<ArrayRef> = vec![
            texts(all.iter().map(|(name, _, _)| Some(name.clone()))),
            texts(all.iter().map(|(_, value, _)| Some(value.clone()))),
            texts(all.iter().map(|(_, _, description)| Some(description.clone()))),
        ];
        one_group(fields(), columns)
    }
}
