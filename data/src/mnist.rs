//! MNIST: found, or fetched, and checked.
//!
//! Searched in this order:
//! 1. the folder in `$MNIST_DIR`, where that is set: it must hold the files, nothing else is tried then;
//! 2. the user's cache: `$XDG_CACHE_HOME/mnist`, or `~/.cache/mnist`;
//! 3. the network: each of the four `.gz` files, when it is first needed, goes into that cache. The address begins with
//!    `$MNIST_URL`, by default [`DEFAULT_URL`].
//!
//! Wherever a file comes from, the SHA-256 of its raw IDX must be the published one. That is also why plain http is good
//! enough for the download: what is not MNIST is refused before it gets a name in the cache.

use crate::{
    DataError, Dataset, Split,
    folder::{self, Kind},
    idx,
};
use sha2::{Digest, Sha256};
use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the files are fetched from unless `$MNIST_URL` says otherwise.
pub const DEFAULT_URL: &str = "http://ossci-datasets.s3.amazonaws.com/mnist/";

/// The published files (without `.gz`) and the SHA-256 of each.
pub const SHA256: [(&str, &str); 4] = [
    ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
];

const CLASSES: usize = 10;

/// The largest `.gz` is 9.9 MB and the largest raw file 47 MB; a server that sends more is not sending MNIST.
const MAX_DOWNLOAD_BYTES: u64 = 16 << 20;
const MAX_UNPACKED_BYTES: usize = 64 << 20;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// A folder that must hold the files; when it is given, nothing else is tried.
    pub dir: Option<PathBuf>,
    /// The folder that downloads go into.
    pub cache: Option<PathBuf>,
    /// What the addresses begin with.
    pub url: String,
}

impl Places {
    /// As the environment says: `MNIST_DIR`, `XDG_CACHE_HOME` or `HOME`, `MNIST_URL`.
    pub fn from_env() -> Self {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
        Self {
            dir: path("MNIST_DIR"),
            cache: cache.map(|cache| cache.join("mnist")),
            url: env::var("MNIST_URL").unwrap_or_else(|_| DEFAULT_URL.into()),
        }
    }
}

/// MNIST from the places that the environment names.
pub fn open(split: Split) -> Result<Dataset, DataError> {
    open_at(&Places::from_env(), split)
}

/// MNIST from the places given.
pub fn open_at(places: &Places, split: Split) -> Result<Dataset, DataError> {
    let [images, labels] = [locate(places, split, Kind::Images)?, locate(places, split, Kind::Labels)?];
    let dataset = folder::read_pair(&images, &labels)?;
    for ((path, &published), (_, found)) in [&images, &labels].into_iter().zip(published(split)).zip(&dataset.sha256) {
        check(&path.display(), published, found)?;
    }
    folder::check_labels(&labels, &dataset.labels, CLASSES)?;
    Ok(Dataset { name: "mnist".into(), classes: CLASSES, ..dataset })
}

/// Whether the checksums are MNIST's.
pub(crate) fn is_mnist(dataset: &Dataset, split: Split) -> bool {
    dataset.sha256.iter().map(|(_, found)| found.as_str()).eq(published(split).iter().map(|&(_, sha256)| sha256))
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    sha256_hex_of(&[bytes])
}

/// The same of several parts, one after the other.
pub(crate) fn sha256_hex_of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The images' and the labels' file.
fn published(split: Split) -> &'static [(&'static str, &'static str)] {
    match split {
        Split::Train => &SHA256[..2],
        Split::Test => &SHA256[2..],
    }
}

fn check(
    origin: &dyn std::fmt::Display,
    (file, expected): (&'static str, &'static str),
    found: &str,
) -> Result<(), DataError> {
    if found == expected {
        return Ok(());
    }
    Err(DataError::Checksum { origin: origin.to_string(), file, expected, found: found.into() })
}

fn locate(places: &Places, split: Split, kind: Kind) -> Result<PathBuf, DataError> {
    if let Some(dir) = &places.dir {
        return folder::find(dir, split, kind);
    }
    let cache = places.cache.as_deref().ok_or(DataError::NoCache)?;
    folder::find(cache, split, kind).or_else(|_| fetch(&places.url, cache, published(split)[kind as usize]))
}

/// Downloads one file, checks it, and only then gives it its name: an interrupted run leaves nothing that looks whole.
fn fetch(url: &str, cache: &Path, published: (&'static str, &'static str)) -> Result<PathBuf, DataError> {
    let name = format!("{}.gz", published.0);
    let url = format!("{}/{name}", url.trim_end_matches('/'));
    let zipped = download(&url).map_err(|cause| DataError::Download { url: url.clone(), cause: cause.to_string() })?;
    let raw = idx::unpack(url.as_ref(), zipped.as_slice(), MAX_UNPACKED_BYTES)?;
    check(&url, published, &sha256_hex(&raw))?;
    let path = cache.join(name);
    store(cache, &path, &zipped).map_err(|cause| DataError::Read { path: path.clone(), cause })?;
    Ok(path)
}

fn download(url: &str) -> Result<Vec<u8>, ureq::Error> {
    let patience = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_global(Some(Duration::from_secs(300)));
    let mut response = ureq::Agent::new_with_config(patience.build()).get(url).call()?;
    response.body_mut().with_config().limit(MAX_DOWNLOAD_BYTES).read_to_vec()
}

/// Writes beside the target and renames, so that two runs at once do not see each other's halves.
fn store(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        io::{BufRead, BufReader},
        net::TcpListener,
        thread,
    };

    /// "abc" (FIPS 180-2, appendix B.1).
    const ABC: (&str, &str) = ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    /// A server on this machine that answers one request with a status and a body. Its address.
    fn serve(status: &'static str, body: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mnist/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            assert_eq!(request[0], "GET /mnist/abc.gz HTTP/1.1");
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
            stream.write_all(&body).unwrap();
        });
        url
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn fetch_abc(cache: &Path, status: &'static str, body: Vec<u8>) -> Result<PathBuf, DataError> {
        fetch(&serve(status, body), cache, ABC)
    }

    fn files_in(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_download_is_checked_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("made/when/needed");
        assert_eq!(fetch_abc(&cache, "200 OK", gz(b"abc")).unwrap(), cache.join("abc.gz"));
        assert_eq!(fs::read(cache.join("abc.gz")).unwrap(), gz(b"abc"));
        assert_eq!(files_in(&cache), 1);
    }

    #[test]
    fn a_download_of_something_else_is_refused_and_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let error = fetch_abc(cache.path(), "200 OK", gz(b"abd")).unwrap_err();
        assert!(matches!(error, DataError::Checksum { file: "abc", .. }), "{error}");
        assert_eq!(files_in(cache.path()), 0);
    }

    #[test]
    fn a_download_cut_off_is_refused_and_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let error = fetch_abc(cache.path(), "200 OK", gz(b"abc")[..9].to_vec()).unwrap_err();
        assert!(matches!(error, DataError::Gzip { .. }), "{error}");
        assert_eq!(files_in(cache.path()), 0);
    }

    #[test]
    fn a_server_without_it() {
        let cache = tempfile::tempdir().unwrap();
        let error = fetch_abc(cache.path(), "404 Not Found", vec![]).unwrap_err().to_string();
        assert!(error.starts_with("http://127.0.0.1:") && error.contains("found: http status: 404"), "{error}");
        assert!(error.contains("MNIST_DIR") && error.contains("--data digits"), "{error}");
    }

    #[test]
    fn a_folder_that_is_named_must_hold_it() {
        let empty = tempfile::tempdir().unwrap();
        let places = Places { dir: Some(empty.path().into()), cache: None, url: String::new() };
        assert!(matches!(open_at(&places, Split::Test), Err(DataError::NoFile { .. })));
    }

    #[test]
    fn a_folder_of_other_digits_is_not_mnist() {
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("t10k-images-idx3-ubyte"), [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7])
            .unwrap();
        fs::write(other.path().join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap();
        let places = Places { dir: Some(other.path().into()), cache: None, url: String::new() };
        let error = open_at(&places, Split::Test).unwrap_err();
        assert!(matches!(error, DataError::Checksum { file: "t10k-images-idx3-ubyte", .. }), "{error}");
    }

    #[test]
    fn nowhere_to_look() {
        let places = Places { dir: None, cache: None, url: String::new() };
        assert!(matches!(open_at(&places, Split::Train), Err(DataError::NoCache)));
    }
}
