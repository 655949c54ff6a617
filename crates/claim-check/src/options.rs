//! Options and credentials of object stores: which there are, and how they reach the store.

use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::ClientConfigKey;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use crate::config::Config;
use crate::error::OpenError;
use crate::place::{Place, Scheme};

/// How long a store may take to answer a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one request may take, with its body.
const REQUEST_WITHIN: Duration = Duration::from_secs(120);
/// How often a request is made again that did not go through.
const RETRIES: usize = 2;
/// No request is made again after this time.
const RETRY_WITHIN: Duration = Duration::from_secs(20);

/// What `options` may say of S3. What could lead payloads past the allow-list, or TLS past its checks, is not among them.
const S3_OPTIONS: [&str; 19] = [
    "region",
    "endpoint",
    "allow_http",
    "virtual_hosted_style_request",
    "unsigned_payload",
    "checksum_algorithm",
    "server_side_encryption",
    "sse_kms_key_id",
    "sse_bucket_key_enabled",
    "request_payer",
    "skip_signature",
    "imdsv1_fallback",
    "metadata_endpoint",
    "role_arn",
    "role_session_name",
    "web_identity_token_file",
    "endpoint_url_sts",
    "container_credentials_full_uri",
    "container_authorization_token_file",
];
/// What the credentials of S3 may say beside its options.
const S3_SECRETS: [&str; 4] = ["access_key_id", "secret_access_key", "session_token", "proxy_url"];
/// What `options` may say of Azure's blobs.
const AZURE_OPTIONS: [&str; 12] = [
    "account_name",
    "endpoint",
    "allow_http",
    "use_emulator",
    "skip_signature",
    "tenant_id",
    "client_id",
    "authority_host",
    "federated_token_file",
    "msi_endpoint",
    "object_id",
    "msi_resource_id",
];
/// What the credentials of Azure's blobs may say beside its options.
const AZURE_SECRETS: [&str; 5] = ["account_key", "sas_token", "client_secret", "bearer_token", "proxy_url"];

fn known(scheme: Scheme) -> (&'static [&'static str], &'static [&'static str]) {
    match scheme {
        Scheme::File => (&[], &[]),
        Scheme::S3 => (&S3_OPTIONS, &S3_SECRETS),
        Scheme::Azure => (&AZURE_OPTIONS, &AZURE_SECRETS),
    }
}

/// What is wrong with an option's name, and what to do, if anything is.
pub(crate) fn fault(scheme: Scheme, key: &str) -> Option<(String, String)> {
    let (options, secrets) = known(scheme);
    if options.contains(&key) {
        return None;
    }
    if secrets.contains(&key) {
        let hint = format!("write it as a line {key}=… of what claim_check.credentials names");
        return Some((format!("claim_check.options: {key} is a secret"), hint));
    }
    let hint = relay_config::did_you_mean(key, options);
    Some((format!("claim_check.options: there is no {key}"), hint))
}

/// What all stores of one claim check are opened with.
pub(crate) struct Settings {
    options: Vec<(String, Zeroizing<String>)>,
    credentials: Vec<(String, Zeroizing<String>)>,
    client: ClientOptions,
}

impl Settings {
    /// Reads what the configuration says.
    ///
    /// # Errors
    /// When the credentials or the certificates are not of the form that is read.
    pub(crate) fn read(config: &Config) -> Result<Self, OpenError> {
        let mut client =
            ClientOptions::new().with_connect_timeout(CONNECT_WITHIN).with_timeout(REQUEST_WITHIN);
        if let Some(path) = &config.roots {
            let unfit = |what: String| OpenError::Roots { path: path.clone(), what };
            let pem = std::fs::read(path).map_err(|error| unfit(error.to_string()))?;
            let found = Certificate::from_pem_bundle(&pem).map_err(|_| unfit("it is no PEM".to_owned()))?;
            if found.is_empty() {
                return Err(unfit("there is no certificate in it".to_owned()));
            }
            for certificate in found {
                client = client.with_root_certificate(certificate);
            }
        }
        let text = config.secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let options = config.options.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        Ok(Self { options, credentials: lines(text)?, client })
    }

    /// Opens the store of a place. Nobody is asked yet.
    ///
    /// # Errors
    /// When options and credentials do not fit the store.
    pub(crate) fn store(&self, place: &Place) -> Result<Box<dyn ObjectStore>, OpenError> {
        let (options, secrets) = known(place.scheme);
        if let Some((key, _)) = self.options.iter().find(|(key, _)| !options.contains(&key.as_str())) {
            let what =
                fault(place.scheme, key).map(|(what, hint)| format!("{what}; {hint}")).unwrap_or_default();
            return Err(OpenError::Credentials { what });
        }
        let is_known = |key: &str| options.contains(&key) || secrets.contains(&key);
        if self.credentials.iter().any(|(key, _)| !is_known(key)) {
            let names = secrets.join(", ");
            let what = format!("a line has a key that is not known; there are {names}, and the options");
            return Err(OpenError::Credentials { what });
        }
        let all = || self.options.iter().chain(&self.credentials);
        let is_http =
            all().any(|(key, value)| key == "endpoint" && value.to_ascii_lowercase().starts_with("http://"));
        if is_http && !all().any(|(key, value)| key == "allow_http" && value.as_str() == "true") {
            let what = "the endpoint is http, which shows payloads to the network; use https, or add \
                        allow_http = \"true\" to the options"
                .to_owned();
            return Err(OpenError::Credentials { what });
        }
        let unfit = |_: object_store::Error| OpenError::Store { store: place.host.clone() };
        match place.scheme {
            Scheme::S3 => {
                let builder = AmazonS3Builder::new()
                    .with_client_options(self.client.clone())
                    .with_retry(retry())
                    .with_bucket_name(&place.host);
                let builder = all().try_fold(builder, |builder, (key, value)| {
                    Ok::<_, object_store::Error>(builder.with_config(s3_key(key)?, value.as_str()))
                });
                Ok(Box::new(builder.and_then(AmazonS3Builder::build).map_err(unfit)?))
            }
            Scheme::Azure | Scheme::File => {
                let builder = MicrosoftAzureBuilder::new()
                    .with_client_options(self.client.clone())
                    .with_retry(retry())
                    .with_container_name(&place.host);
                let builder = all().try_fold(builder, |builder, (key, value)| {
                    Ok::<_, object_store::Error>(builder.with_config(azure_key(key)?, value.as_str()))
                });
                Ok(Box::new(builder.and_then(MicrosoftAzureBuilder::build).map_err(unfit)?))
            }
        }
    }
}

/// As [`Config::in_clear_text`].
pub(crate) fn in_clear_text(config: &Config) -> Option<String> {
    let text = config.secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    // What cannot be read is told where the store is opened.
    let credentials = lines(text).unwrap_or_default();
    let options = config.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let all = options.chain(credentials.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let (mut allowed, mut endpoint) = (false, None);
    for (key, value) in all {
        match key {
            // As the stores read it.
            "allow_http" => {
                allowed = !matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | "off" | "no" | "n")
            }
            "endpoint" => endpoint = Some(value.to_owned()),
            _ => {}
        }
    }
    if !allowed {
        return None;
    }
    let url = endpoint.as_deref().and_then(|endpoint| url::Url::parse(endpoint).ok());
    let is_local = url.as_ref().and_then(url::Url::host).is_some_and(|host| match host {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    });
    let host = url.as_ref().and_then(url::Url::host_str);
    (!is_local).then(|| {
        host.map_or_else(|| "the object store".to_owned(), |host| format!("the object store {host}"))
    })
}

fn retry() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES, retry_timeout: RETRY_WITHIN }
}

fn s3_key(key: &str) -> Result<AmazonS3ConfigKey, object_store::Error> {
    let client = |key: &str| key.parse::<ClientConfigKey>().map(AmazonS3ConfigKey::Client);
    key.parse().or_else(|_| format!("aws_{key}").parse()).or_else(|_: object_store::Error| client(key))
}

fn azure_key(key: &str) -> Result<AzureConfigKey, object_store::Error> {
    let client = |key: &str| key.parse::<ClientConfigKey>().map(AzureConfigKey::Client);
    key.parse().or_else(|_| format!("azure_{key}").parse()).or_else(|_: object_store::Error| client(key))
}

/// Lines of the form `key=value`. Empty ones, and those that begin with `#`, say nothing.
fn lines(text: &str) -> Result<Vec<(String, Zeroizing<String>)>, OpenError> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            let what = format!("line {} is not of the form key=value", number + 1);
            return Err(OpenError::Credentials { what });
        };
        found.push((key.trim().to_ascii_lowercase(), value.trim().to_owned().into()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_that_the_stores_know() {
        for key in S3_OPTIONS.iter().chain(&S3_SECRETS) {
            assert!(s3_key(key).is_ok(), "{key}");
        }
        for key in AZURE_OPTIONS.iter().chain(&AZURE_SECRETS) {
            assert!(azure_key(key).is_ok(), "{key}");
        }
    }

    #[test]
    fn a_secret_among_the_options_is_sent_where_it_belongs() {
        for (key, says) in [
            ("secret_access_key", "is a secret"),
            ("allow_invalid_certificates", "there is no allow_invalid_certificates"),
            ("bucket", "there is no bucket"),
            ("regoin", "region"),
        ] {
            let (what, hint) = fault(Scheme::S3, key).expect("a fault");
            assert!(what.contains(says) || hint.contains(says), "{what}; {hint}");
        }
        assert_eq!(fault(Scheme::S3, "endpoint"), None);
    }

    #[test]
    fn credentials_are_lines_and_no_fault_shows_one() {
        let read = lines("# the relay's\naccess_key_id = A\n\nSecret_Access_Key=b=c\n").expect("lines");
        let expected = [("access_key_id", "A"), ("secret_access_key", "b=c")];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value.to_owned().into())));
        let error = lines("access_key_id=A\nhunter2").expect_err("no line");
        assert!(error.to_string().contains("line 2") && !error.to_string().contains("hunter2"), "{error}");
    }
}
