//! A reference as what it means. Whatever could mean two things to two readers is refused rather than made sense of.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

/// Longest reference in bytes.
const REFERENCE_BYTES_MAX: usize = 2048;
/// Longest segment in bytes, decoded: the longest name of a file.
const SEGMENT_BYTES_MAX: usize = 255;
/// What stands in a segment as it is; all else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Who holds what a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// A folder.
    File,
    /// S3, or what speaks its protocol.
    S3,
    /// Azure's blobs.
    Azure,
}

/// A place: an object, or a prefix of objects. Private: its segments may hold patient data.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) scheme: Scheme,
    /// Bucket or container; empty for a folder.
    pub(crate) host: String,
    /// The path, decoded. None of them is empty, `.` or `..`, or holds a slash.
    pub(crate) segments: Vec<String>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({:?} {}, …)", self.scheme, self.host)
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::S3 => "s3",
            Self::Azure => "az",
        }
    }
}

impl Place {
    /// What the configuration names: a URL or a folder.
    ///
    /// # Errors
    /// What is wrong with it, to be read behind its name.
    pub(crate) fn configured(text: &str) -> Result<Self, &'static str> {
        let place = if text.contains("://") {
            Self::url(text.strip_suffix('/').unwrap_or(text), true)?
        } else {
            Self::folder(Path::new(text))?
        };
        if place.scheme == Scheme::File && place.segments.is_empty() {
            return Err("is the root of the file system; name a folder of its own for payloads");
        }
        Ok(place)
    }

    /// What a producer's reference names.
    ///
    /// # Errors
    /// What is wrong with it, to be read behind the header's name.
    pub(crate) fn reference(text: &str) -> Result<Self, &'static str> {
        Self::url(text, false)
    }

    /// A folder or a file by its path.
    ///
    /// # Errors
    /// When the path is not absolute, goes up, or cannot be a URL's.
    pub(crate) fn folder(path: &Path) -> Result<Self, &'static str> {
        use std::path::Component;
        if !path.is_absolute() {
            return Err("is no absolute path");
        }
        let mut segments = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => {
                    let name = name.to_str().ok_or("is no UTF-8 text")?;
                    check_segment(name)?;
                    segments.push(name.to_owned());
                }
                Component::ParentDir => return Err("goes up by `..`; write where it leads"),
                Component::Prefix(_) => return Err("has a drive, which a claim check cannot name"),
            }
        }
        Ok(Self { scheme: Scheme::File, host: String::new(), segments })
    }

    fn url(text: &str, is_prefix: bool) -> Result<Self, &'static str> {
        const FORM: &str = "is no URL such as s3://bucket/name, az://container/name or file:///folder/name";
        if text.len() > REFERENCE_BYTES_MAX {
            return Err("is longer than 2048 bytes");
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err("holds white space or other characters that a URL encodes with %");
        }
        if text.contains(['?', '#', '\\']) {
            return Err("has a query, a fragment or a backslash, which no reference has");
        }
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let scheme = match scheme {
            "file" => Scheme::File,
            "s3" => Scheme::S3,
            "az" => Scheme::Azure,
            _ => return Err(FORM),
        };
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) => (host, Some(path)),
            None => (rest, None),
        };
        check_host(scheme, host)?;
        let segments = match path {
            None if is_prefix => Vec::new(),
            None => return Err(FORM),
            Some(path) => path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?,
        };
        // The library reads the same, or one of the two is deceived.
        let url = Url::parse(text).map_err(|_| FORM)?;
        let agrees = url.scheme() == scheme.name()
            && url.host_str().unwrap_or_default() == host
            && url.username().is_empty()
            && url.password().is_none()
            && url.port().is_none()
            && url.path().strip_prefix('/').or(path.is_none().then_some(""))
                == Some(path.unwrap_or_default());
        if !agrees {
            return Err(FORM);
        }
        Ok(Self { scheme, host: host.to_owned(), segments })
    }

    /// Whether `other` is this place or lies beneath it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && other.segments.starts_with(&self.segments)
    }

    /// A place beneath this one. `None` when one of the names cannot be a segment.
    pub(crate) fn beneath(&self, names: &[&str]) -> Option<Self> {
        let mut place = self.clone();
        for name in names {
            check_segment(name).ok()?;
            place.segments.push((*name).to_owned());
        }
        Some(place)
    }

    /// The path of a file.
    pub(crate) fn to_path(&self) -> PathBuf {
        let mut path = PathBuf::from("/");
        path.extend(&self.segments);
        path
    }

    /// As a reference, which is read as this place again.
    pub(crate) fn to_reference(&self) -> String {
        let mut text = format!("{}://{}", self.scheme.name(), self.host);
        for segment in &self.segments {
            text.push('/');
            text.extend(utf8_percent_encode(segment, ENCODED));
        }
        text
    }
}

fn check_host(scheme: Scheme, host: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match scheme {
        Scheme::File if host.is_empty() => Ok(()),
        Scheme::File => Err("names another host's file; a file's URL begins with file:///"),
        _ if host.is_empty() => Err("names no bucket or container"),
        _ if host.contains('@') => Err("has a user or an account in it; accounts stand in the configuration"),
        _ if host.chars().all(allowed) && !host.starts_with('.') => Ok(()),
        _ => Err("names a bucket or container that is none, or a port"),
    }
}

fn decode(encoded: &str) -> Result<String, &'static str> {
    let lower = encoded.to_ascii_lowercase();
    if ["%2e", "%2f", "%5c", "%25", "%00"].iter().any(|trick| lower.contains(trick)) {
        return Err(
            "encodes a dot, a slash, a backslash or a per cent sign, by which it could lead elsewhere",
        );
    }
    let is_whole = |(at, _): (usize, &str)| {
        encoded.as_bytes().get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !encoded.match_indices('%').all(is_whole) {
        return Err("has a % that encodes nothing");
    }
    let decoded = percent_decode_str(encoded).decode_utf8().map_err(|_| "is not UTF-8 once it is decoded")?;
    check_segment(&decoded)?;
    Ok(decoded.into_owned())
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("has an empty segment: two slashes in a row, or one at its end");
    }
    if matches!(segment, "." | "..") {
        return Err("goes up or stays by `..` or `.`; write where it leads");
    }
    if segment.len() > SEGMENT_BYTES_MAX {
        return Err("has a segment longer than 255 bytes");
    }
    if segment.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '%')) {
        return Err("has a control character, a backslash or a per cent sign in a segment");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::configured(text).unwrap_or_else(|what| panic!("{text} {what}"))
    }

    #[test]
    fn what_lies_beneath_a_place_is_found_by_whole_segments() {
        for (allowed, reference) in [
            ("s3://claims", "s3://claims/a"),
            ("s3://claims/out", "s3://claims/out/a/b.bin"),
            ("s3://claims/out/", "s3://claims/out/a"),
            ("az://claims/out", "az://claims/out/%C3%BC%20b"),
            ("/srv/claims", "file:///srv/claims/a.bin"),
            ("file:///srv/claims", "file:///srv/claims/a..b/...c"),
            ("/srv/./claims/", "file:///srv/claims/x+y&z=1~@:"),
        ] {
            let named = Place::reference(reference).unwrap_or_else(|what| panic!("{reference} {what}"));
            assert!(place(allowed).contains(&named), "{reference}");
            assert_eq!(Place::reference(&named.to_reference()), Ok(named), "{reference}");
        }
    }

    #[test]
    fn nothing_else_is_reached_however_it_is_written() {
        let allowed = ["s3://claims/out", "/srv/claims", "az://box/out"].map(place);
        for reference in [
            "",
            "out/a",
            "/srv/claims/a",
            "//srv/claims/a",
            "file:/srv/claims/a",
            "file://srv/claims/a",
            "file://localhost/srv/claims/a",
            "file:////srv/claims/a",
            "file:///srv/claims",
            "file:///srv/claims/",
            "file:///srv/claims/../secret",
            "file:///srv/claims/a/../../secret",
            "file:///srv/claims/%2e%2e/secret",
            "file:///srv/claims/%2E%2e/secret",
            "file:///srv/claims/.%2e/secret",
            "file:///srv/claims/%252e%252e/secret",
            "file:///srv/claims/..%2fsecret",
            "file:///srv/claims/..%5csecret",
            "file:///srv/claims/..\\secret",
            "file:///srv/claims/a%00b",
            "file:///srv/claims/a%0ab",
            "file:///srv/claims/a\nb",
            "file:///srv/claims/ a",
            "file:///srv/claims/%zz",
            "file:///srv/claims/a%2",
            "file:///srv/claims/%ff",
            "file:///srv/claims/é",
            "file:///srv/claims//a",
            "file:///srv/claims/./a",
            "file:///srv/claims-other/a",
            "file:///SRV/claims/a",
            "file:///etc/passwd",
            "FILE:///srv/claims/a",
            "file:///srv/claims/a?version=1",
            "file:///srv/claims/a#b",
            "s3://claims/outer/a",
            "s3://claims/other",
            "s3://claims",
            "s3://CLAIMS/out/a",
            "s3://claims.evil/out/a",
            "s3://user@claims/out/a",
            "s3://user:password@claims/out/a",
            "s3://evil@claims/out/a",
            "s3://claims:443/out/a",
            "s3://claims:@evil/out/a",
            "s3://claims%2fevil/out/a",
            "s3:///claims/out/a",
            "s3a://claims/out/a",
            "S3://claims/out/a",
            "az://claims/out/a",
            "s3://box/out/a",
            "http://claims/out/a",
            "https://claims.s3.eu-west-2.amazonaws.com/out/a",
            "http://169.254.169.254/latest/meta-data/",
            "memory:///out/a",
            "s3://claims/out/../../other/a",
            "s3://claims/out/a/.",
            &format!("s3://claims/out/{}", "a".repeat(256)),
            &format!("s3://claims/out/{}", "a/".repeat(1100)),
        ] {
            let Ok(named) = Place::reference(reference) else { continue };
            // A folder itself is under the folder; it is no file, which is found when it is opened.
            if reference == "file:///srv/claims" {
                continue;
            }
            assert!(!allowed.iter().any(|allowed| allowed.contains(&named)), "{reference} was let through");
        }
    }

    #[test]
    fn no_fault_repeats_what_was_written() {
        for reference in
            ["secret", "file://secret/a", "s3://b/secret/..", "s3://b/secret%2e", "s3://se@cret/x"]
        {
            let what = Place::reference(reference).expect_err("refused");
            assert!(!what.contains("secret"), "{what}");
        }
    }

    #[test]
    fn whole_file_systems_and_ways_up_cannot_be_configured() {
        for text in ["/", "file:///", "/srv/../etc", "s3://", "https://host/x", "/srv/a%b", "relative"] {
            assert!(Place::configured(text).is_err(), "{text}");
        }
    }
}
