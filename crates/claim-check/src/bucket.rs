//! Objects of a store: looked at, read again under the same version, and put.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutPayloadMut,
};
use relay_core::{OpenPayload, PayloadStream};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::error::{ClaimError, OpenError, PutError, StoreTrouble};
use crate::options::Settings;
use crate::place::Place;

/// How much of an object one request reads; so much of it is in memory. Requests of their own, since no store keeps a
/// download open for as long as MESH may take to accept what was read.
const WINDOW_BYTES: u64 = 4 << 20;
/// How much of an object one request puts; so much of it is in memory, twice at most. S3 takes 10,000 of them, all of one
/// length but the last: 160 GiB.
const PART_BYTES: usize = 16 << 20;

/// The name of an object that nobody puts.
const NOBODYS: &str = ".mesh-relay-doctor";
/// How long a store may take to answer somebody who looks whether it is well.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A bucket or a container.
#[derive(Clone)]
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    name: Arc<str>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store's own shows its credentials.
        write!(f, "Bucket({})", self.name)
    }
}

impl Bucket {
    pub(crate) fn open(place: &Place, settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { store: Arc::from(settings.store(place)?), name: place.host.as_str().into() })
    }

    /// Looks at an object: its length, and how to read what was seen now.
    pub(crate) async fn look(&self, place: &Place) -> Result<(u64, Object), ClaimError> {
        let path = self.path(place)?;
        let meta = match self.store.head(&path).await {
            Ok(meta) => meta,
            Err(Error::NotFound { .. }) => return Err(ClaimError::NotThere),
            Err(error) => return Err(self.trouble(&error).into()),
        };
        let Some(e_tag) = meta.e_tag else {
            return Err(self
                .at_fault("gives objects no ETag, by which a change of one would be seen")
                .into());
        };
        Ok((meta.size, Object { bucket: self.clone(), path, e_tag }))
    }

    /// Puts an object, whole or not at all, and says how long it is and its SHA-256.
    pub(crate) async fn put(
        &self,
        place: &Place,
        mut body: PayloadStream,
    ) -> Result<(u64, String), PutError> {
        let path = self.path(place).map_err(|_| self.at_fault("cannot hold an object of this name"))?;
        let mut hash = Sha256::new();
        let mut length = 0;
        let mut part = PutPayloadMut::new();
        let mut upload: Option<Upload> = None;
        while let Some(mut piece) = body.try_next().await.map_err(PutError::Body)? {
            hash.update(&piece);
            length += piece.len() as u64;
            while part.content_length() + piece.len() > PART_BYTES {
                part.push(piece.split_to(PART_BYTES - part.content_length()));
                let upload = match &mut upload {
                    Some(upload) => upload,
                    None => {
                        let options = PutMultipartOptions::default();
                        let begun = self.store.put_multipart_opts(&path, options).await;
                        upload.insert(Upload(Some(begun.map_err(|error| self.trouble(&error))?)))
                    }
                };
                let full = std::mem::take(&mut part).freeze();
                upload.put_part(full).await.map_err(|error| self.trouble(&error))?;
            }
            part.push(piece);
        }
        let put = match upload {
            None => self.store.put_opts(&path, part.freeze(), PutOptions::default()).await.map(drop),
            Some(mut upload) => match upload.put_part(part.freeze()).await {
                Ok(()) => upload.complete().await,
                Err(error) => Err(error),
            },
        };
        put.map_err(|error| self.trouble(&error))?;
        Ok((length, hex::encode(hash.finalize())))
    }

    /// Asks for an object that nobody has put: the store says so if it lets us in.
    pub(crate) async fn diagnose(&self, place: &Place) -> Result<String, (String, String)> {
        let nobodys =
            place.beneath(&[NOBODYS]).ok_or_else(|| ("it has no name".to_owned(), String::new()))?;
        let path =
            self.path(&nobodys).map_err(|error| (error.to_string(), "name another prefix".to_owned()))?;
        match timeout(ANSWER_WITHIN, self.store.head(&path)).await {
            Ok(Ok(_) | Err(Error::NotFound { .. })) => Ok("the store lets us in".to_owned()),
            Ok(Err(error)) => {
                let trouble = self.trouble(&error);
                let (found, advice) =
                    trouble.what.split_once("; ").unwrap_or((trouble.what, "look at the store"));
                Err((format!("{} {found}", trouble.store), advice.to_owned()))
            }
            Err(_) => Err((
                format!("the store did not answer within {} s", ANSWER_WITHIN.as_secs()),
                "look at claim_check.options, and whether it can be reached".to_owned(),
            )),
        }
    }

    fn path(&self, place: &Place) -> Result<Path, ClaimError> {
        Path::parse(place.segments.join("/")).map_err(|_| ClaimError::Form("cannot be an object's name"))
    }

    fn at_fault(&self, what: &'static str) -> StoreTrouble {
        StoreTrouble { store: format!("the store of {}", self.name), what }
    }

    /// What an error of the store is, without its text, which holds the object's name.
    fn trouble(&self, error: &Error) -> StoreTrouble {
        self.at_fault(match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                "refuses the relay; look at claim_check.credentials, and let it read, write and list there (without list, \
                 S3 says the same of an object that is not there)"
            }
            Error::NotFound { .. } => "is not there; look at the name of the bucket or container, and its region",
            _ => "does not answer as it should; look at claim_check.options and claim_check.roots, and whether it can be reached",
        })
    }
}

/// An upload in parts. What is not completed is aborted, so that the store keeps no parts of it.
struct Upload(Option<Box<dyn MultipartUpload>>);

impl Upload {
    async fn put_part(&mut self, part: PutPayload) -> object_store::Result<()> {
        // There until it is dropped.
        let Some(parts) = &mut self.0 else { return Ok(()) };
        parts.put_part(part).await
    }

    async fn complete(mut self) -> object_store::Result<()> {
        if let Some(parts) = &mut self.0 {
            parts.complete().await?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Whatever ended the work, also where its future was dropped. The store's own rule for parts that were left is the
        // second line, for a crash.
        if let (Some(mut parts), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { parts.abort().await });
        }
    }
}

/// An object as it was when it was looked at. Another version of it is not read.
#[derive(Clone)]
pub(crate) struct Object {
    bucket: Bucket,
    path: Path,
    e_tag: String,
}

impl Object {
    async fn window(&self, range: Range<u64>) -> io::Result<Bytes> {
        let wanted = range.end - range.start;
        let options = GetOptions {
            if_match: Some(self.e_tag.clone()),
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found =
            self.bucket.store.get_opts(&self.path, options).await.map_err(|error| self.failed(&error))?;
        // A store may not know `If-Match`.
        if found.meta.e_tag.as_deref() != Some(self.e_tag.as_str()) {
            return Err(changed());
        }
        let bytes = found.bytes().await.map_err(|error| self.failed(&error))?;
        if bytes.len() as u64 != wanted {
            return Err(changed());
        }
        Ok(bytes)
    }

    fn failed(&self, error: &Error) -> io::Error {
        match error {
            Error::Precondition { .. } | Error::NotModified { .. } => changed(),
            Error::NotFound { .. } => io::ErrorKind::NotFound.into(),
            _ => io::Error::other(self.bucket.trouble(error)),
        }
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the payload was changed after it was checked")
}

impl OpenPayload for Object {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let object = self.clone();
        async move {
            let read = stream::try_unfold((object, range), |(object, range)| async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let end = range.end.min(range.start + WINDOW_BYTES);
                let bytes = object.window(range.start..end).await?;
                Ok(Some((bytes, (object, end..range.end))))
            });
            let stream: PayloadStream = Box::pin(read);
            Ok(stream)
        }
        .boxed()
    }
}
