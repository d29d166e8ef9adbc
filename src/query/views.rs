//! Built-in views: relations that are SQL over the virtual tables.
//!
//! Each is a file of `sql/views`: comment lines that say what it shows and what each column is, then the
//! query. The session puts the query's plan in the place of the view's name (`session::views`), so
//! that filters reach the tables below; the catalog relations show it as a view with its definition.
//! It is plain DataFusion SQL, which no rewriting from PostgreSQL's forms sees.

/// A view.
#[derive(Debug)]
pub struct View {
    /// The schema that it is in.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its file.
    text: &'static str,
}

/// All views.
pub const ALL: &[View] = &[View {
    schema: "public",
    name: "identity_conflicts",
    text: include_str!("../../sql/views/identity_conflicts.sql"),
}];

/// The view of a schema and name.
pub fn named(schema: &str, name: &str) -> Option<&'static View> {
    ALL.iter().find(|view| view.schema == schema && view.name == name)
}

impl View {
    fn comments(&self) -> impl Iterator<Item = &'static str> {
        self.text.lines().map_while(|line| line.strip_prefix("-- "))
    }

    /// What it shows.
    pub fn comment(&self) -> &'static str {
        self.comments().next().unwrap_or_default()
    }

    /// Its columns, each with what it is.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.comments().skip(1).filter_map(|line| line.split_once(": "))
    }

    /// The query, without the comments before it.
    pub fn query(&self) -> &'static str {
        let mut rest = self.text;
        while let Some((_, after)) = rest.strip_prefix("-- ").and_then(|it| it.split_once('\n')) {
            rest = after;
        }
        rest.trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::RESERVED_TABLES;

    #[test]
    fn every_file_is_a_view_that_no_dataset_can_hide() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/views");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
        let mut files: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
        files.sort();
        let names: Vec<_> = ALL.iter().map(|view| format!("{}.sql", view.name)).collect();
        assert_eq!(files, names);
        for view in ALL {
            assert!(view.query().starts_with("SELECT"), "{}", view.name);
            assert!(!view.comment().is_empty(), "{}", view.name);
            assert!(view.schema != "public" || RESERVED_TABLES.contains(&view.name));
        }
    }
}
