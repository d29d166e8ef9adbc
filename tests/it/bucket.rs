//! A bucket of an S3 server (the crate `s3s` over a folder) on a free port, which can fail as real ones do.
//!
//! Requests go through real HTTP. A fault is chosen for each request by a plan: it may be refused, get lost on its
//! way, or happen without an answer. Writes are one at a time, so that conditional ones are atomic as in S3.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::service::Service;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use s3s_fs::FileSystem;
use selfsame::engine::Options;
use selfsame::env::objects::bucket::Patience;
use selfsame::env::objects::disk::ObjectOptions;
use selfsame::env::objects::location::Location;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

const KEY: &str = "AKIATEST";
const SECRET: &str = "a secret that nobody is to see";

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered.
    None,
    /// It is answered with 503.
    Refused,
    /// The connection breaks before anything happens.
    Lost,
    /// It happens, and the connection breaks.
    Unanswered,
}

type Plan = Box<dyn FnMut(&str, &str) -> Fault + Send>;

struct Shared {
    plan: Mutex<Option<Plan>>,
    writes: RwLock<()>,
    requests: AtomicU64,
}

pub struct Bucket {
    address: SocketAddr,
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

type Answer = Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>>;

impl Shared {
    async fn answer(
        self: Arc<Self>,
        service: S3Service,
        request: hyper::Request<hyper::body::Incoming>,
    ) -> Answer {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let fault = self.plan.lock().as_mut().map_or(Fault::None, |plan| plan(&method, &path));
        match fault {
            Fault::Refused => {
                let mut refused = HttpResponse::new(Body::empty());
                *refused.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
                return Ok(refused);
            }
            Fault::Lost => return Err("lost on its way".into()),
            Fault::None | Fault::Unanswered => {}
        }
        let reading = matches!(method.as_str(), "GET" | "HEAD");
        let answered = if reading {
            let _turn = self.writes.read().await;
            Service::call(&service, request).await
        } else {
            let _turn = self.writes.write().await;
            Service::call(&service, request).await
        };
        if fault == Fault::Unanswered {
            return Err("the answer is lost".into());
        }
        answered.map_err(|error| format!("{error:?}").into())
    }
}

impl Bucket {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("bucket")).expect("a bucket");
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("a folder"));
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            plan: Mutex::new(None),
            writes: RwLock::default(),
            requests: AtomicU64::new(0),
        });
        let state = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (state, service) = (Arc::clone(&state), service.clone());
                let answer = hyper::service::service_fn(move |request| {
                    Arc::clone(&state).answer(service.clone(), request)
                });
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), answer);
                // A fault ends the connection with an error, which is what it is for.
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        Self { address, folder, shared, _runtime: runtime }
    }

    /// Decides from now on what happens to requests, by method and path.
    pub fn plan(&self, plan: impl FnMut(&str, &str) -> Fault + Send + 'static) {
        *self.shared.plan.lock() = Some(Box::new(plan));
    }

    /// Everything works again.
    pub fn heal(&self) {
        *self.shared.plan.lock() = None;
    }

    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Where an object is on the server's disk.
    pub fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join("bucket").join(key)
    }

    /// Puts a user's file into it.
    pub fn put(&self, key: &str, contents: &[u8]) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, contents).expect("a file");
    }

    /// Keys of the objects below a folder.
    pub fn keys(&self, below: &str) -> Vec<String> {
        fn walk(path: &Path, root: &Path, keys: &mut Vec<String>) {
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, root, keys);
                } else {
                    let key = path.strip_prefix(root).expect("it is below");
                    keys.push(key.display().to_string());
                }
            }
        }
        let (root, mut keys) = (self.path(""), Vec::new());
        walk(&self.path(below), &root, &mut keys);
        keys.sort();
        keys
    }

    /// Settings of a client, as variables of the environment.
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// How to open the store at a prefix.
    pub fn options(&self, name: &str) -> ObjectOptions {
        ObjectOptions {
            name: name.to_owned(),
            cache_directory: self.folder.path().join("copies"),
            remove_after: Duration::ZERO,
            take_over: true,
            patience: Patience { request: Duration::from_secs(20), write: Duration::from_secs(20) },
            overrides: self
                .variables()
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
            ..ObjectOptions::default()
        }
    }

    /// A writer of the store at a prefix.
    pub fn writer(&self, name: &str) -> Options {
        self.open(self.options(name))
    }

    pub fn open(&self, options: ObjectOptions) -> Options {
        let location = Location::parse("s3://bucket/stores/one").expect("a location");
        let options = Options::objects(&location, options).expect("a client");
        Options { commit_window: Duration::ZERO, ..options }
    }

    /// A follower of that store.
    pub fn follower(&self) -> Options {
        let options = self.open(ObjectOptions { follow: true, ..self.options("a follower") });
        Options { follow: Some(Duration::from_millis(10)), ..options }
    }
}
