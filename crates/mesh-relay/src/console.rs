//! The console: from its section to a port that answers.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use keystore::{Facts, SwappableIdentity};
use relay_config::{ConsoleRole, ConsoleSection, Faults, Identity, OpenIdSection, Secrets};
use relay_console::{
    Access, AccessConfig, AccessError, Certificate, Console, Deeds, ListenConfig, ListenError, Listening,
    OpenIdConfig, StaticToken,
};
use relay_core::{Journal, JournalError, NewDeed, Role, Shutdown, Surroundings};
use rustls::ServerConfig;
use secrecy::SecretString;
use thiserror::Error;
use url::Url;

use crate::adapters::{AUTHORITIES, IDENTITY, SECRET};
use crate::identity::{self, IdentityError, IdentityWatch, Whose};
use crate::settings::Note;
use crate::system;
use crate::telemetry::Exposition;

/// What the console is started with, secrets resolved.
pub struct ConsoleSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    access: AccessConfig,
    tls: Option<Arc<ServerConfig>>,
    /// What `/metrics` answers with, if metrics are kept.
    pub exposition: Option<Exposition>,
    /// What keeps the certificate that it shows as its files are.
    pub identity: Option<IdentityWatch>,
}

/// Why the console cannot be opened.
#[derive(Debug, Error)]
pub enum ConsoleError {
    /// Its port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Who may use it.
    #[error("[console]: {0}")]
    Access(#[from] AccessError),
}

impl ConsoleSettings {
    /// Reads what the section refers to. `None` comes with a fault; what is to be known and is no fault goes to `notes`.
    pub fn read(
        section: &ConsoleSection,
        secrets: &Secrets,
        notes: &mut Vec<Note>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let before = faults.len();
        let mut tokens = Vec::with_capacity(section.callers.len());
        for (index, caller) in section.callers.iter().enumerate() {
            match caller.token.resolve(secrets) {
                Ok(secret) => {
                    let (name, role) = (caller.name.clone(), role(caller.role));
                    tokens.push(StaticToken { name, role, secret });
                }
                Err(error) => {
                    let key = format!("caller.{index}.token");
                    faults.push(section.section.fault_of(Some(&key), &error, SECRET));
                }
            }
        }
        let openid = section.openid.as_ref().map(|openid| read_openid(openid, section, secrets, faults));
        let public_url = section.public_url.as_ref().and_then(|url| match Url::parse(url) {
            Ok(url) => Some(url),
            Err(error) => {
                let what = format!("`public_url` is no address: {error}");
                let hint = "such as public_url = \"https://relay.example.nhs.uk\"";
                faults.push(section.section.fault(Some("public_url"), what, hint));
                None
            }
        });
        let identity = section.tls.as_ref().map(|tls| {
            let (cert, key) = (tls.cert.clone(), tls.key.clone());
            watch(&Identity::Pem { cert, key, password: None }, section, secrets, notes, faults)
        });
        if faults.len() > before {
            return None;
        }
        let identity = identity.flatten();
        let tls = match identity.as_ref().map(|watch| server_config(watch.shown())).transpose() {
            Ok(tls) => tls,
            Err(error) => {
                let what = format!("TLS cannot be set up: {error}");
                faults.push(section.section.fault(Some("tls"), what, IDENTITY));
                return None;
            }
        };
        let access = AccessConfig {
            listen: section.listen,
            tls: tls.is_some(),
            public_url,
            read_without_sign_in: section.read_without_sign_in,
            tokens,
            openid: openid.flatten(),
        };
        // Tokens that are too short, say: found here, where the place in the file is known.
        if let Err(error) = Access::new(access.clone(), Arc::new(Nowhere), Arc::new(system::SystemClock)) {
            let hint = "correct who may use the console, and how";
            faults.push(section.section.fault_of(None, &error, hint));
            return None;
        }
        Some(Self { listen: section.listen, access, tls, exposition: None, identity })
    }

    /// On any free port of loopback, for whoever works on this machine, with one operator's token.
    pub fn on_loopback(operator: &str, token: SecretString) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let token = StaticToken { name: operator.to_owned(), role: Role::Operator, secret: token };
        let access = AccessConfig {
            listen,
            tls: false,
            public_url: None,
            read_without_sign_in: true,
            tokens: vec![token],
            openid: None,
        };
        Self { listen, access, tls: None, exposition: None, identity: None }
    }

    /// Opens the port. Nothing is answered yet.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn open(self, surroundings: &Surroundings) -> Result<OpenConsole, ConsoleError> {
        let listening = Listening::bind(ListenConfig { address: self.listen, tls: self.tls }).await?;
        let access = AccessConfig { listen: listening.address(), ..self.access };
        let deeds = Arc::new(Recorded(Arc::clone(&surroundings.journal)));
        let access = Access::new(access, deeds, Arc::clone(&surroundings.clock))?;
        Ok(OpenConsole { listening, access, exposition: self.exposition })
    }
}

/// A port that is open, and who may use it.
pub struct OpenConsole {
    listening: Listening,
    access: Access,
    exposition: Option<Exposition>,
}

impl OpenConsole {
    /// The address, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Answers until shutdown.
    pub async fn run(self, console: Console, more: utoipa_axum::router::OpenApiRouter, shutdown: Shutdown) {
        let following = console.clone();
        let mut routes = console.routes(more);
        if let Some(exposition) = self.exposition {
            routes = routes.merge(relay_console::metrics(exposition));
        }
        let routes = self.access.protect(routes);
        tokio::join!(self.listening.run(routes, shutdown.clone()), following.follow(shutdown));
    }
}

fn role(role: ConsoleRole) -> Role {
    match role {
        ConsoleRole::Viewer => Role::Viewer,
        ConsoleRole::Operator => Role::Operator,
        ConsoleRole::Sender => Role::Sender,
    }
}

fn read_openid(
    openid: &OpenIdSection,
    section: &ConsoleSection,
    secrets: &Secrets,
    faults: &mut Faults,
) -> Option<OpenIdConfig> {
    let mut fault = |key: &str, what: &dyn std::fmt::Display, otherwise: &str| {
        faults.push(section.section.fault_of(Some(key), what, otherwise));
    };
    let client_secret = match openid.client_secret.as_ref().map(|secret| secret.resolve(secrets)).transpose()
    {
        Ok(secret) => secret,
        Err(error) => {
            fault("openid.client_secret", &error, SECRET);
            return None;
        }
    };
    let roots = match openid.roots.as_ref().map(|path| (path, secrets.read(path))) {
        None => None,
        Some((_, Ok(bytes))) => Some(bytes),
        Some((path, Err(error))) => {
            fault("openid.roots", &format!("{}: {error}", path.display()), AUTHORITIES);
            return None;
        }
    };
    Some(OpenIdConfig {
        issuer: openid.issuer.clone(),
        client_id: openid.client_id.clone(),
        client_secret,
        scopes: openid.scopes.clone(),
        roles_claim: openid.roles_claim.clone(),
        operators: openid.operators.clone(),
        viewers: openid.viewers.clone(),
        name_claim: openid.name_claim.clone(),
        roots,
    })
}

fn watch(
    identity: &Identity,
    section: &ConsoleSection,
    secrets: &Secrets,
    notes: &mut Vec<Note>,
    faults: &mut Faults,
) -> Option<IdentityWatch> {
    match IdentityWatch::start(identity::files(identity, secrets), Whose::Console, system::now()) {
        Ok((watch, findings)) => {
            notes.extend(findings.into_iter().map(|finding| {
                let fault = section.section.fault(Some("tls"), finding.sentence, finding.advice);
                Note { severity: finding.severity, fault }
            }));
            return Some(watch);
        }
        Err(IdentityError::Unfit(finding)) => {
            faults.push(section.section.fault(Some("tls"), finding.sentence, finding.advice));
        }
        Err(IdentityError::Load(error)) => {
            faults.push(section.section.fault_of(Some("tls"), &error, IDENTITY));
        }
    }
    None
}

fn server_config(identity: Arc<SwappableIdentity>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(identity);
    Ok(Arc::new(config))
}

/// What the overview says of certificates: as they are when it is asked.
pub fn certificates(
    shown: Vec<(String, Arc<SwappableIdentity>)>,
) -> Arc<dyn Fn() -> Vec<Certificate> + Send + Sync> {
    let ends = |identity: &SwappableIdentity| -> Option<Timestamp> {
        let key = identity.current()?;
        Facts::read(key.cert.first()?).ok().map(|facts| facts.not_after)
    };
    Arc::new(move || {
        let of = |(name, identity): &(String, Arc<SwappableIdentity>)| {
            Some(Certificate { name: name.clone(), ends: ends(identity)? })
        };
        shown.iter().filter_map(of).collect()
    })
}

/// Sign-ins go to the journal.
struct Recorded(Arc<dyn Journal>);

#[async_trait]
impl Deeds for Recorded {
    async fn record(&self, deed: NewDeed) -> Result<(), JournalError> {
        self.0.record_deed(deed).await
    }
}

/// While a configuration is looked at, nobody signs in.
struct Nowhere;

#[async_trait]
impl Deeds for Nowhere {
    async fn record(&self, _: NewDeed) -> Result<(), JournalError> {
        Err(JournalError::Closed)
    }
}
