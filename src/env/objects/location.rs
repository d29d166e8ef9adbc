//! The location of a store or a file in object storage: `s3://bucket/prefix`, as a user writes it.

use crate::error::{Error, Result, SqlState};

/// Who provides a bucket, as far as requests differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// S3, or what speaks like it.
    S3,
    /// Google Cloud Storage.
    GoogleCloud,
    /// Azure Blob Storage.
    Azure,
}

/// Schemes of locations.
const SCHEMES: &[(&str, Provider)] =
    &[("s3", Provider::S3), ("gs", Provider::GoogleCloud), ("az", Provider::Azure)];

/// A place in object storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Who provides it.
    pub provider: Provider,
    /// The bucket, or container.
    pub bucket: String,
    /// What all keys begin with, without slashes at its ends; may be empty.
    pub prefix: String,
}

impl Location {
    /// Whether a text names a place in object storage, well or badly, rather than a local path.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads a location.
    ///
    /// # Errors
    /// `22023` if it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("\"{text}\" {why}"))
                .hint("write it as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")
        };
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| wrong("is no location in object storage"))?;
        let known = SCHEMES.iter().find(|(name, _)| *name == scheme);
        let provider = known.ok_or_else(|| wrong("is of no kind that is known"))?.1;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains(['?', '#', '@', ':']) {
            return Err(wrong("names no bucket"));
        }
        let prefix = prefix.trim_matches('/').to_owned();
        if prefix.split('/').any(|step| step == "." || step == "..") {
            return Err(wrong("has a prefix with \".\" or \"..\""));
        }
        Ok(Self { provider, bucket: bucket.to_owned(), prefix })
    }

    /// The scheme and the bucket.
    pub fn bucket_url(&self) -> String {
        let scheme = SCHEMES.iter().find(|(_, provider)| *provider == self.provider);
        format!("{}://{}", scheme.map_or("s3", |(name, _)| name), self.bucket)
    }

    /// The key of a path below the prefix.
    pub fn key(&self, path: &str) -> String {
        match (self.prefix.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (_, true) => self.prefix.clone(),
            _ => format!("{}/{path}", self.prefix),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.prefix.is_empty() {
            true => f.write_str(&self.bucket_url()),
            false => write!(f, "{}/{}", self.bucket_url(), self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match Location::parse(text) {
            Ok(location) => format!("{location} {}", location.key("a/b")),
            Err(error) => format!("{} {}", error.code(), error.message()),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn locations_are_read() {
        check("s3://b", "s3://b a/b");
        check("s3://b/", "s3://b a/b");
        check("gs://b/x/y/", "gs://b/x/y x/y/a/b");
        check("az://c/x", "az://c/x x/a/b");
        check("ftp://b/x", "22023 \"ftp://b/x\" is of no kind that is known");
        check("s3:///x", "22023 \"s3:///x\" names no bucket");
        check("s3://user:secret@b/x", "22023 \"s3://user:secret@b/x\" names no bucket");
        check("s3://b/../x", "22023 \"s3://b/../x\" has a prefix with \".\" or \"..\"");
        check("folder", "22023 \"folder\" is no location in object storage");
    }
}
