//! A bucket, and requests to it: each ends in an answer, an error, or for conditional writes the truth.
//!
//! A write whose answer is lost may have happened. Where that matters, [`Bucket::put_exactly`] looks at what is
//! there: bytes that nobody else can have written are its own. Only the location's own prefix is touched.

use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error as Refused, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutOptions, PutPayload, RetryConfig, UpdateVersion,
};
use tokio::runtime::Runtime;

use crate::env::clock::Stopwatch;
use crate::env::disk::File;
use crate::env::objects::location::{Location, Provider};
use crate::error::{Error, Result, SqlState};

/// Threads that wait for answers; they compute nothing.
const THREADS: usize = 2;

/// Requests in flight for one caller: enough to fill a line, few enough to be no burden.
pub const REQUESTS_MAX: usize = 8;

/// Bytes of one request for part of a large object: short enough for any time limit.
pub const RANGE_BYTES: u64 = 8 << 20;

/// Between attempts of a conditional write.
const PAUSE: Duration = Duration::from_millis(100);

/// How long requests are tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// One request, with its repetitions.
    pub request: Duration,
    /// A conditional write, until it is known whether it happened.
    pub write: Duration,
}

impl Default for Patience {
    /// A provider's bad minute is survived; a commit that takes longer is better told about.
    fn default() -> Self {
        Self { request: Duration::from_secs(30), write: Duration::from_secs(60) }
    }
}

/// What version of an object there is, as conditions name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    tag: Option<String>,
    number: Option<String>,
}

impl Version {
    /// A text that is another for other contents.
    pub fn tag(&self) -> &str {
        self.tag.as_deref().or(self.number.as_deref()).unwrap_or_default()
    }

    fn of(meta: &ObjectMeta) -> Self {
        Self { tag: meta.e_tag.clone(), number: meta.version.clone() }
    }
}

/// On what condition to write.
#[derive(Clone, Debug)]
pub enum Condition {
    /// There is no such object.
    New,
    /// The object is still of this version.
    Still(Version),
}

/// What became of a conditional write.
#[derive(Debug)]
pub enum Written {
    /// It happened, now or in an attempt whose answer was lost.
    Done(Version),
    /// The condition does not hold: somebody else wrote this.
    Taken(Bytes),
}

/// An object, or part of one.
#[derive(Debug)]
pub struct Object {
    /// The bytes asked for.
    pub bytes: Bytes,
    /// Bytes of the whole object.
    pub byte_count: u64,
    /// Its version.
    pub version: Version,
}

/// A bucket below the prefix of a location.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    location: Location,
    patience: Patience,
}

fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    let failed = |error: &String| {
        let message = format!("could not start the threads of object storage: {error}");
        Error::new(SqlState::IO_ERROR, message)
    };
    started.as_ref().map_err(failed)
}

impl Bucket {
    /// A bucket, by the credentials and the endpoint of the environment, unless overridden. Nothing is
    /// asked of it yet.
    ///
    /// # Errors
    /// `22023` if the environment says nothing useful.
    pub fn open(
        location: &Location,
        patience: Patience,
        overrides: &[(String, String)],
    ) -> Result<Self> {
        let url = location.bucket_url();
        let store = client(location.provider, &url, patience, overrides).map_err(|error| {
            let message = format!("cannot use \"{url}\": {}", bare(&error.to_string()));
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("credentials and endpoint come from the environment, such as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT")
        })?;
        Ok(Self { store, location: location.clone(), patience })
    }

    /// The location.
    pub fn location(&self) -> &Location {
        &self.location
    }

    fn key(&self, path: &str) -> Path {
        Path::from(self.location.key(path))
    }

    /// Waits for work on the threads of object storage.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let (done, result) = sync_channel(1);
        // Nobody else waits for the answer, so that it cannot be refused.
        runtime()?.spawn(async move { done.send(work.await) });
        result.recv().map_err(|_| Error::internal("a request to object storage was dropped"))
    }

    /// Waits.
    pub(super) fn pause(&self, time: Duration) -> Result<()> {
        self.wait(async move { tokio::time::sleep(time).await })
    }

    /// Does work later, or never if the process ends before.
    pub(super) fn later(
        &self,
        delay: Duration,
        work: impl FnOnce(&Self) + Send + 'static,
    ) -> Result<()> {
        let bucket = self.clone();
        runtime()?.spawn(async move {
            tokio::time::sleep(delay).await;
            // The work waits for its requests, which the other threads serve.
            drop(tokio::task::spawn_blocking(move || work(&bucket)).await);
        });
        Ok(())
    }

    fn failed(&self, doing: &str, path: &str, error: &object_store::Error) -> Error {
        let url = format!("{}/{}", self.location.bucket_url(), self.location.key(path));
        let code = match error {
            object_store::Error::NotFound { .. } => SqlState::UNDEFINED_FILE,
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => SqlState::INSUFFICIENT_PRIVILEGE,
            _ => SqlState::IO_ERROR,
        };
        let failed = Error::new(code, format!("could not {doing} \"{url}\""));
        match code {
            SqlState::UNDEFINED_FILE => failed.detail("there is no such object"),
            _ => failed.detail(bare(&error.to_string())),
        }
    }

    /// Reads an object, or what `options` ask of it.
    fn get_with(&self, path: &str, options: GetOptions) -> Result<object_store::Result<Object>> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        self.wait(async move {
            let result = store.get_opts(&key, options).await?;
            let (byte_count, version) = (result.meta.size, Version::of(&result.meta));
            Ok(Object { bytes: result.bytes().await?, byte_count, version })
        })
    }

    /// Reads an object whole.
    ///
    /// # Errors
    /// `58P01` if there is none, `42501` if it may not be read, `58030` if it cannot.
    pub fn get(&self, path: &str) -> Result<Object> {
        let got = self.get_with(path, GetOptions::default())?;
        got.map_err(|error| self.failed("read", path, &error))
    }

    /// Reads an object if it has another version than one that is known.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn get_newer(&self, path: &str, known: &Version) -> Result<Option<Object>> {
        let options = GetOptions { if_none_match: known.tag.clone(), ..GetOptions::default() };
        match self.get_with(path, options)? {
            Ok(object) => Ok((object.version != *known).then_some(object)),
            Err(object_store::Error::NotModified { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", path, &error)),
        }
    }

    /// Reads the end of an object: so many bytes, or all there are.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn get_end(&self, path: &str, length: u64) -> Result<Object> {
        // Ranges that count from the end are not known everywhere, and of a small object this is all.
        let range = Some(GetRange::Bounded(0..length));
        let got = self.get_with(path, GetOptions { range, ..GetOptions::default() })?;
        let mut object = got.map_err(|error| self.failed("read", path, &error))?;
        if object.byte_count > length {
            let end = object.byte_count - length..object.byte_count;
            object.bytes = self.get_range(path, end, &object.version)?;
        }
        Ok(object)
    }

    /// Reads a range of an object of a version.
    ///
    /// # Errors
    /// As [`Bucket::get`]; `58030` if it has another version now.
    pub fn get_range(
        &self,
        path: &str,
        range: std::ops::Range<u64>,
        version: &Version,
    ) -> Result<Bytes> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: version.tag.clone(),
            ..GetOptions::default()
        };
        let got = self.get_with(path, options)?;
        got.map(|object| object.bytes).map_err(|error| self.failed("read", path, &error))
    }

    /// Length and version of an object.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn head(&self, path: &str) -> Result<(u64, Version)> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let meta = self.wait(async move { store.head(&key).await })?;
        let meta = meta.map_err(|error| self.failed("look at", path, &error))?;
        Ok((meta.size, Version::of(&meta)))
    }

    /// Keys below a path, relative to it, with their lengths, sorted.
    ///
    /// # Errors
    /// `42501` if they may not be listed, `58030` if they cannot.
    pub fn list(&self, path: &str) -> Result<Vec<(String, u64)>> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let prefix = key.clone();
        let found =
            self.wait(
                async move { store.list(Some(&prefix)).try_collect::<Vec<ObjectMeta>>().await },
            )?;
        let found = found.map_err(|error| self.failed("list", path, &error))?;
        let below = |meta: &ObjectMeta| {
            let rest = meta.location.as_ref().strip_prefix(key.as_ref())?;
            let name = rest.strip_prefix('/').unwrap_or(rest);
            (!name.is_empty()).then(|| (name.to_owned(), meta.size))
        };
        let mut names: Vec<(String, u64)> = found.iter().filter_map(below).collect();
        names.sort();
        Ok(names)
    }

    /// Names directly below a path, of objects and of what has objects below it, sorted.
    ///
    /// # Errors
    /// As [`Bucket::list`].
    pub fn list_names(&self, path: &str) -> Result<Vec<String>> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let found = self.wait(async move { store.list_with_delimiter(Some(&key)).await })?;
        let found = found.map_err(|error| self.failed("list", path, &error))?;
        let objects = found.objects.into_iter().map(|meta| meta.location);
        let all = found.common_prefixes.into_iter().chain(objects);
        let mut names: Vec<String> =
            all.filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// `42501` if it may not be removed, `58030` if it cannot.
    pub fn delete(&self, path: &str) -> Result<()> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        match self.wait(async move { store.delete(&key).await })? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", path, &error)),
        }
    }

    /// Writes an object, whatever is there.
    ///
    /// # Errors
    /// `42501` if it may not be written, `58030` if it cannot.
    pub fn put(&self, path: &str, bytes: Bytes) -> Result<Version> {
        let put = self.put_once(path, bytes, PutMode::Overwrite)?;
        put.map_err(|error| self.failed("write", path, &error))
    }

    fn put_once(
        &self,
        path: &str,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<object_store::Result<Version>> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        self.wait(async move {
            let options = PutOptions { mode, ..PutOptions::default() };
            let put = store.put_opts(&key, PutPayload::from_bytes(bytes), options).await?;
            Ok(Version { tag: put.e_tag, number: put.version })
        })
    }

    /// Writes an object on a condition, and finds out whether that happened. The bytes must be such as
    /// nobody else would write there.
    ///
    /// # Errors
    /// What went wrong for so long that it was given up: then it may have happened or may still happen,
    /// unless the error is `42501`.
    pub fn put_exactly(&self, path: &str, bytes: &Bytes, condition: &Condition) -> Result<Written> {
        let watch = Stopwatch::start();
        loop {
            let mode = match condition {
                Condition::New => PutMode::Create,
                Condition::Still(Version { tag, number }) => {
                    PutMode::Update(UpdateVersion { e_tag: tag.clone(), version: number.clone() })
                }
            };
            let error = match self.put_once(path, bytes.clone(), mode)? {
                Ok(version) => return Ok(Written::Done(version)),
                Err(error @ (Refused::NotImplemented { .. } | Refused::NotSupported { .. })) => {
                    let hint = "a store needs writes that depend on a condition";
                    return Err(self.failed("write", path, &error).hint(hint));
                }
                Err(error) => self.failed("write", path, &error),
            };
            if error.code() == SqlState::INSUFFICIENT_PRIVILEGE {
                return Err(error);
            }
            match (self.get(path), condition) {
                (Ok(object), _) if object.bytes == *bytes => {
                    return Ok(Written::Done(object.version));
                }
                (Ok(object), Condition::Still(version)) if object.version == *version => {}
                (Ok(object), _) => return Ok(Written::Taken(object.bytes)),
                (Err(_), _) => {}
            }
            if watch.seconds() > self.patience.write.as_secs_f64() {
                return Err(error);
            }
            tracing::warn!(%error, "a write to object storage is tried again");
            self.pause(PAUSE)?;
        }
    }

    /// Writes a large object in parts, which `part` reads: from an offset, so many bytes.
    ///
    /// # Errors
    /// As [`Bucket::put`], and what `part` says; then there is no such object.
    pub fn put_parts(
        &self,
        path: &str,
        byte_count: u64,
        part_bytes: u64,
        part: impl Fn(u64, usize) -> Result<Bytes> + Send + 'static,
    ) -> Result<Version> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let put = self.wait(async move {
            let mut upload = store.put_multipart(&key).await?;
            let mut waiting = futures::stream::FuturesUnordered::new();
            let mut offset = 0;
            let sent = loop {
                if offset >= byte_count {
                    break waiting.try_collect::<Vec<()>>().await;
                }
                let length = part_bytes.min(byte_count - offset);
                let bytes = match part(offset, length as usize) {
                    Ok(bytes) => bytes,
                    Err(error) => break Err(unreadable(error)),
                };
                waiting.push(upload.put_part(PutPayload::from_bytes(bytes)));
                offset += length;
                if waiting.len() >= REQUESTS_MAX / 2
                    && let Err(error) = waiting.try_next().await
                {
                    break Err(error);
                }
            };
            match sent {
                Ok(_) => upload.complete().await,
                Err(error) => {
                    // What cannot be taken back costs storage until the bucket's own rules remove it.
                    drop(upload.abort().await);
                    Err(error)
                }
            }
        })?;
        let put = put.map_err(|error| self.failed("write", path, &error))?;
        Ok(Version { tag: put.e_tag, number: put.version })
    }

    /// Copies an object of a version into a file, by ranges, some at a time.
    ///
    /// # Errors
    /// As [`Bucket::get_range`], and what the file says.
    pub fn download(
        &self,
        path: &str,
        byte_count: u64,
        version: &Version,
        file: Arc<File>,
    ) -> Result<()> {
        use std::os::unix::fs::FileExt;
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let tag = version.tag.clone();
        let got: std::result::Result<(), Refused> = self.wait(async move {
            let offsets = (0..byte_count).step_by(RANGE_BYTES as usize);
            let read = |offset: u64| {
                let (store, key, if_match) = (Arc::clone(&store), key.clone(), tag.clone());
                async move {
                    let range = GetRange::Bounded(offset..(offset + RANGE_BYTES).min(byte_count));
                    let options =
                        GetOptions { range: Some(range), if_match, ..GetOptions::default() };
                    let bytes = store.get_opts(&key, options).await?.bytes().await?;
                    Ok::<_, Refused>((offset, bytes))
                }
            };
            let ranges = futures::stream::iter(offsets).map(read).buffered(REQUESTS_MAX);
            let written = ranges.map(|got| {
                let (offset, bytes) = got?;
                let written = file.write_all_at(&bytes, offset);
                written.map_err(|error| unreadable(Error::io("write to a local copy", &error)))
            });
            written.try_collect().await
        })?;
        got.map_err(|error| self.failed("copy", path, &error))
    }

    /// Reads many whole objects, some at a time; they come in order.
    ///
    /// # Errors
    /// As [`Bucket::get`], for the first that fails.
    pub fn get_all(&self, paths: Vec<String>) -> Result<Vec<Bytes>> {
        let store = Arc::clone(&self.store);
        let keys: Vec<(String, Path)> =
            paths.into_iter().map(|path| (path.clone(), self.key(&path))).collect();
        let got = self.wait(async move {
            let read = |(path, key): (String, Path)| {
                let store = Arc::clone(&store);
                async move {
                    let got = async { store.get(&key).await?.bytes().await };
                    got.await.map_err(|error| (path, error))
                }
            };
            futures::stream::iter(keys).map(read).buffered(REQUESTS_MAX).try_collect().await
        })?;
        got.map_err(|(path, error): (String, _)| self.failed("read", &path, &error))
    }
}

/// The provider's client.
fn client(
    provider: Provider,
    url: &str,
    patience: Patience,
    overrides: &[(String, String)],
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(3), ..BackoffConfig::default() };
    let retry = RetryConfig { backoff, max_retries: 10, retry_timeout: patience.request };
    match provider {
        Provider::S3 => {
            let mut builder = AmazonS3Builder::from_env().with_url(url).with_retry(retry);
            for (key, value) in overrides {
                builder = builder.with_config(key.parse()?, value);
            }
            Ok(Arc::new(builder.build()?))
        }
        Provider::GoogleCloud => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry);
            for (key, value) in overrides {
                builder = builder.with_config(key.parse()?, value);
            }
            Ok(Arc::new(builder.build()?))
        }
        Provider::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry);
            for (key, value) in overrides {
                builder = builder.with_config(key.parse()?, value);
            }
            Ok(Arc::new(builder.build()?))
        }
    }
}

fn unreadable(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "local file", source: Box::new(error) }
}

/// What a client says without what may tell of credentials: the queries of its URLs, and answers of the server
/// but for their code and message.
fn bare(text: &str) -> String {
    let between = |tag: &str| {
        let from = text.find(&format!("<{tag}>"))? + tag.len() + 2;
        text[from..].find('<').map(|length| &text[from..from + length])
    };
    let answered = between("Code").map(|code| {
        let said = text.split('<').next().unwrap_or_default().trim_end();
        let message = between("Message").map(|message| format!(", {message}"));
        format!("{said} {code}{}", message.unwrap_or_default())
    });
    let text = answered.as_deref().unwrap_or(text);
    let mut shown = String::with_capacity(text.len());
    let mut within = false;
    for character in text.chars() {
        let ends = character.is_whitespace() || matches!(character, '"' | '\'' | ')' | '>' | ',');
        within = if within { !ends } else { character == '?' };
        if !within {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_tell_of_credentials_is_not_shown() {
        let said = "error for url (https://a/b?sig=secret&x=1): \"no\", why?";
        assert_eq!(bare(said), "error for url (https://a/b): \"no\", why");
        let said = "403: <?xml?><Error><Code>No</Code><Message>Not you</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        assert_eq!(bare(said), "403: No, Not you");
        assert_eq!(bare("500: <Error><Code>Odd</Code></Error>"), "500: Odd");
    }
}
