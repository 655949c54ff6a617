//! `mesh-relay health`: one look at a port's health page, for places that have no shell to ask with, such as a container.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::Empty;
use hyper::StatusCode;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;
use url::Url;

use crate::cli::{EXIT_FAILED, EXIT_OK, EXIT_USAGE};
use crate::records::api::{self, ApiError};

/// Longest wait for the answer. Whoever asks by a schedule wants to know before the next time.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What its exit codes mean.
pub const HELP: &str = "Exit codes: 0 it is well, 1 it is not or nobody answers, 2 it cannot be asked for.";

/// What the command takes.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The page to ask: /healthz or /readyz of a relay's console, /health of a sandbox
    #[arg(long, default_value = "http://127.0.0.1:8710/healthz")]
    url: Url,
    /// Whose certificates to trust there (PEM)
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

/// Why it is not well, as far as can be told from outside.
#[derive(Debug, Error)]
enum HealthError {
    #[error("{path}: {source}", path = path.display())]
    Roots { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] ApiError),
    #[error("{0} cannot be asked for; give an http or https address")]
    Address(Url),
    #[error("nobody answers at {url}: {what}")]
    Silent { url: Url, what: String },
    #[error("{url} answers with status {status}")]
    Unwell { url: Url, status: StatusCode },
}

/// Asks once: 0 when the answer is a good one, 1 when it is not or there is none, 2 when it cannot be asked for.
pub async fn run(args: HealthArgs) -> ExitCode {
    match ask(args).await {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => {
            eprintln!("error: {error}");
            let code = match error {
                HealthError::Silent { .. } | HealthError::Unwell { .. } => EXIT_FAILED,
                HealthError::Roots { .. } | HealthError::Tls(_) | HealthError::Address(_) => EXIT_USAGE,
            };
            ExitCode::from(code)
        }
    }
}

async fn ask(args: HealthArgs) -> Result<(), HealthError> {
    let url = args.url;
    let roots = match args.roots {
        Some(path) => Some(std::fs::read(&path).map_err(|source| HealthError::Roots { path, source })?),
        None => None,
    };
    let Ok(uri) = url.as_str().parse() else {
        return Err(HealthError::Address(url));
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(HealthError::Address(url));
    }
    let tls = api::tls(roots.as_deref())?;
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let status = match tokio::time::timeout(ANSWER_WITHIN, client.get(uri)).await {
        Ok(Ok(answer)) => answer.status(),
        Ok(Err(error)) => return Err(HealthError::Silent { url, what: api::chain(&error) }),
        Err(_) => {
            let what = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
            return Err(HealthError::Silent { url, what });
        }
    };
    if status.is_success() { Ok(()) } else { Err(HealthError::Unwell { url, status }) }
}
