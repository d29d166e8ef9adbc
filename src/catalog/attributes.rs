//! The union of attributes: which columns of which datasets carry one attribute.

use crate::model::column::ColumnType;
use crate::model::dataset::{Dataset, Role};

/// One attribute of the union.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// The type that holds the values of all its columns.
    pub ty: ColumnType,
    /// The columns that carry it: dataset number and column name.
    pub columns: Vec<(u32, String)>,
    /// The namespace, if every one of the columns is an identity of that namespace.
    pub namespace: Option<String>,
}

impl Attribute {
    /// The column of a dataset that carries it.
    pub fn column(&self, dataset: u32) -> Option<&str> {
        self.columns.iter().find(|(id, _)| *id == dataset).map(|(_, name)| name.as_str())
    }
}

/// The union over datasets, in order of first appearance.
///
/// Types are known to go together: `catalog::apply` refused the dataset otherwise.
pub fn union(datasets: &[&Dataset]) -> Vec<Attribute> {
    let mut all: Vec<Attribute> = Vec::new();
    for dataset in datasets {
        for (_, column) in dataset.attributes() {
            let namespace = match &column.role {
                Role::Identity(namespace) => Some(namespace.clone()),
                _ => None,
            };
            // An identity is shown as its normalised text, whatever the column's own type.
            let ty = match &column.role {
                Role::Identity(_) => ColumnType::Text,
                _ => column.ty.clone(),
            };
            let place = (dataset.id, column.name.clone());
            match all.iter_mut().find(|attribute| attribute.name == column.attribute_name()) {
                Some(attribute) => {
                    attribute.ty = attribute.ty.union(&ty).unwrap_or(ColumnType::Text);
                    attribute.columns.push(place);
                    if attribute.namespace != namespace {
                        attribute.namespace = None;
                    }
                }
                None => all.push(Attribute {
                    name: column.attribute_name().to_owned(),
                    ty,
                    columns: vec![place],
                    namespace,
                }),
            }
        }
    }
    all
}
