//! What is asked, in which order, and what the answers are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use http_adapter::WebhookUrl;
use mesh_api::MailboxId;
use rand::Rng;
use rand::distr::Alphanumeric;
use relay_config::{Environment, SecretRef};
use secrecy::SecretString;

use super::ask::{AskError, Asker, Question};
use super::{BrokerKind, InitArgs, Shape};

/// Characters of a token or a signing secret that is made here: more than 160 bits.
const MADE_CHARS: usize = 40;

/// A secret, by the path that the configuration writes.
#[derive(Default)]
pub(super) struct Secrets {
    /// Those that are written.
    pub(super) new: HashMap<PathBuf, SecretString>,
    /// Those that are there.
    pub(super) there: Vec<PathBuf>,
}

/// What a configuration is made of.
pub(super) struct Answers {
    pub(super) shape: ShapeAnswers,
    pub(super) environment: Environment,
    pub(super) mailbox: MailboxId,
    pub(super) password: PathBuf,
    pub(super) shared_key: PathBuf,
    pub(super) roots: Option<PathBuf>,
    pub(super) identity: Option<IdentityAnswers>,
    pub(super) proxy: Option<Proxy>,
    pub(super) journal: PathBuf,
    pub(super) secrets: Secrets,
}

/// Certificate and key.
pub(super) enum IdentityAnswers {
    Pem { cert: PathBuf, key: PathBuf },
    Keystore { keystore: PathBuf, password: PathBuf },
}

/// What belongs to one shape.
pub(super) enum ShapeAnswers {
    DtsShim { root: PathBuf },
    Amqp { url: PathBuf, roots: Option<PathBuf>, names: Names },
    Kafka { brokers: String, roots: Option<PathBuf>, login: Option<(String, PathBuf)>, names: Names },
    Sidecar { webhook: Webhook, roots: Option<PathBuf>, listen: SocketAddr, secret: PathBuf, token: PathBuf },
}

/// What is on a broker.
pub(super) struct Names {
    pub(super) outbound: String,
    pub(super) inbound: String,
    pub(super) parked: String,
    pub(super) declare: bool,
}

/// A file that is there.
#[derive(Debug, Clone)]
struct Existing(PathBuf);

impl FromStr for Existing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Path::new(text).canonicalize() {
            Ok(path) if path.is_file() => Ok(Self(path)),
            Ok(_) => Err(format!("{text} is no file; name one")),
            Err(error) => Err(format!("{text}: {error}; name a file that this account may read")),
        }
    }
}

/// The url of a proxy, looked at as the configuration does when all of it is read.
#[derive(Debug, Clone)]
pub(super) struct Proxy(pub(super) String);

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let proxy = mesh_client::Proxy { url: text.to_owned(), login: None };
        mesh_client::Tunnel::new(&proxy).map(|_| Self(text.to_owned())).map_err(|error| error.to_string())
    }
}

/// The url of a webhook, with the text that it was read from.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    pub(super) text: String,
    pub(super) is_secure: bool,
}

impl FromStr for Webhook {
    type Err = http_adapter::UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: WebhookUrl = text.parse()?;
        Ok(Self { text: text.to_owned(), is_secure: url.is_secure() })
    }
}

/// Reads an environment as an option gives it: a name, or an address.
pub(super) fn environment(text: &str) -> Result<Environment, String> {
    match text {
        "sandbox" => Ok(Environment::Sandbox),
        "integration" => Ok(Environment::Integration),
        "live" => Ok(Environment::Live),
        url => Environment::from_url(url).map_err(|error| {
            format!("it is neither sandbox, integration nor live, and {error}; write such as https://host")
        }),
    }
}

/// An environment for a question.
struct EnvironmentAnswer(Environment);

impl FromStr for EnvironmentAnswer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        environment(text).map(Self)
    }
}

/// A text that is not empty.
struct Filled(String);

impl FromStr for Filled {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() { Err("it must not be empty") } else { Ok(Self(text.to_owned())) }
    }
}

impl Answers {
    /// Asks for what the options do not say.
    pub(super) fn ask(args: InitArgs, asker: &mut Asker) -> Result<Self, AskError> {
        let mut asking = Asking { asker, secrets: Secrets::default() };
        let shapes = [
            ("dts-shim: folders with control files", Shape::DtsShim),
            ("queue-bridge: RabbitMQ or Kafka", Shape::QueueBridge),
            ("sidecar: HTTP beside an integration engine", Shape::Sidecar),
        ];
        let shape = asking.asker.choose(args.shape, "--shape", "What is the relay for?", &shapes)?;
        let environment = asking.text(
            args.environment.clone().map(EnvironmentAnswer),
            "--environment",
            "Which MESH: sandbox, integration, live, or an address",
            None,
        )?;
        let environment = environment.map(|answer| answer.0);
        let mailbox = asking.text(args.mailbox.clone(), "--mailbox", "The mailbox's id", None)?;
        let name =
            mailbox.as_ref().map_or_else(|| "mailbox".to_owned(), |id| id.as_str().to_ascii_lowercase());
        let password = asking.secret(
            args.password_file.as_deref(),
            "--password-file",
            "The mailbox's password",
            &format!("{name}.pass"),
        )?;
        let text = "The shared key of this environment";
        let shared_key =
            asking.secret(args.shared_key_file.as_deref(), "--shared-key-file", text, "shared.key")?;
        let is_tls = environment.as_ref().is_none_or(Environment::is_tls);
        let (roots, identity) =
            if is_tls { asking.trust(&args, environment.as_ref())? } else { (None, None) };
        let journal = args.journal.clone().unwrap_or_else(|| PathBuf::from("journal.db"));
        let proxy = args.proxy.clone();
        let shape = match shape {
            Some(shape) => asking.shape(shape, args, mailbox.as_ref())?,
            None => None,
        };
        asking.asker.end()?;
        match (shape, environment, mailbox, password, shared_key) {
            (Some(shape), Some(environment), Some(mailbox), Some(password), Some(shared_key)) => Ok(Self {
                shape,
                environment,
                mailbox,
                password,
                shared_key,
                roots,
                identity,
                proxy,
                journal,
                secrets: asking.secrets,
            }),
            // What is missing was noted, and ended it above.
            _ => Err(AskError::Missing { options: Vec::new() }),
        }
    }

    /// The folders that the relay will work on.
    pub(super) fn folders(&self, config: &Path) -> Vec<PathBuf> {
        let ShapeAnswers::DtsShim { root } = &self.shape else { return Vec::new() };
        let root = config.parent().unwrap_or(Path::new("")).join(root);
        ["IN", "OUT", "SENT", "FAILED", "TEMP"].iter().map(|name| root.join(name)).collect()
    }
}

/// Asking, and the secrets on the way.
struct Asking<'a> {
    asker: &'a mut Asker,
    secrets: Secrets,
}

impl Asking<'_> {
    fn text<T>(
        &mut self,
        given: Option<T>,
        option: &str,
        text: &str,
        usual: Option<&str>,
    ) -> Result<Option<T>, AskError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        self.asker.text(given, &Question { option, text, usual })
    }

    /// A file that is there, by its whole path: the configuration may stand elsewhere.
    fn file(&mut self, given: Option<&Path>, option: &str, text: &str) -> Result<Option<PathBuf>, AskError> {
        let given = given.map(|path| existing(path, option)).transpose()?;
        Ok(self.text(given.map(Existing), option, text, None)?.map(|file| file.0))
    }

    /// A secret: in a file that is there, or typed, to be written into the file `name`.
    fn secret(
        &mut self,
        given: Option<&Path>,
        option: &str,
        text: &str,
        name: &str,
    ) -> Result<Option<PathBuf>, AskError> {
        if let Some(path) = given {
            let path = existing(path, option)?;
            self.secrets.there.push(path.clone());
            return Ok(Some(path));
        }
        let Some(typed) = self.asker.secret(option, text)? else { return Ok(None) };
        Ok(Some(self.keep(name, typed)))
    }

    fn keep(&mut self, name: &str, secret: SecretString) -> PathBuf {
        let path = PathBuf::from(name);
        self.secrets.new.insert(path.clone(), secret);
        path
    }

    /// A secret that nobody has to know.
    fn make(&mut self, name: &str) -> PathBuf {
        let made: String = rand::rng().sample_iter(Alphanumeric).take(MADE_CHARS).map(char::from).collect();
        self.keep(name, SecretString::from(made))
    }

    fn trust(
        &mut self,
        args: &InitArgs,
        environment: Option<&Environment>,
    ) -> Result<(Option<PathBuf>, Option<IdentityAnswers>), AskError> {
        let text = "File with the certificates to trust at MESH (PEM; the NHS's are in no public store)";
        let roots = self.file(args.roots.as_deref(), "--roots", text)?;
        if let Some(keystore) = &args.keystore {
            let keystore = existing(keystore, "--keystore")?;
            let option = "--keystore-password-file";
            let password = self.secret(
                args.keystore_password_file.as_deref(),
                option,
                "What opens the keystore",
                "keystore.pass",
            )?;
            return Ok((roots, password.map(|password| IdentityAnswers::Keystore { keystore, password })));
        }
        // The NHS's servers all want one; another may.
        let is_needed = environment.is_some_and(Environment::is_nhs);
        if args.cert.is_none() && !is_needed && !self.asker.is_attended() {
            return Ok((roots, None));
        }
        if args.cert.is_none()
            && !is_needed
            && !self.asker.agree("Does this server want a client certificate?")?
        {
            return Ok((roots, None));
        }
        let cert = self.file(
            args.cert.as_deref(),
            "--cert (or --keystore)",
            "File with the client certificate (PEM)",
        )?;
        let key = self.file(args.key.as_deref(), "--key", "File with its private key (PEM)")?;
        Ok((roots, cert.zip(key).map(|(cert, key)| IdentityAnswers::Pem { cert, key })))
    }

    fn shape(
        &mut self,
        shape: Shape,
        args: InitArgs,
        mailbox: Option<&MailboxId>,
    ) -> Result<Option<ShapeAnswers>, AskError> {
        match shape {
            Shape::DtsShim => {
                let usual = mailbox.map_or("mesh", MailboxId::as_str);
                let root = args.root.map(|root| Filled(root.display().to_string()));
                let text = "The folder that holds IN, OUT, SENT, FAILED and TEMP";
                let root = self.text(root, "--root", text, Some(usual))?;
                Ok(root.map(|root| ShapeAnswers::DtsShim { root: PathBuf::from(root.0) }))
            }
            Shape::QueueBridge => self.bridge(args),
            Shape::Sidecar => {
                let text = "Where messages from MESH are posted, such as http://127.0.0.1:8080/mesh";
                let webhook = self.text(args.webhook, "--webhook", text, None)?;
                let roots = match &webhook {
                    Some(webhook) if webhook.is_secure => self.file(
                        args.webhook_roots.as_deref(),
                        "--webhook-roots",
                        "File with the certificates to trust there (PEM)",
                    )?,
                    _ => None,
                };
                let listen = relay_config::LISTEN.to_string();
                let listen = self.text(
                    args.listen,
                    "--listen",
                    "Where the relay listens for messages",
                    Some(&listen),
                )?;
                let (secret, token) = (self.make("webhook.secret"), self.make("engine.token"));
                Ok(webhook.zip(listen).map(|(webhook, listen)| ShapeAnswers::Sidecar {
                    webhook,
                    roots,
                    listen,
                    secret,
                    token,
                }))
            }
        }
    }

    fn bridge(&mut self, args: InitArgs) -> Result<Option<ShapeAnswers>, AskError> {
        let brokers = [("RabbitMQ (AMQP 0.9.1)", BrokerKind::Amqp), ("Apache Kafka", BrokerKind::Kafka)];
        let Some(broker) = self.asker.choose(args.broker, "--broker", "Which broker?", &brokers)? else {
            return Ok(None);
        };
        let given = |name: Option<String>| name.map(Filled);
        let parked = if broker == BrokerKind::Amqp { "mesh.parked" } else { "mesh.outbound.dlq" };
        let outbound = self.text(
            given(args.outbound),
            "--outbound",
            "Where messages for MESH are",
            Some("mesh.outbound"),
        )?;
        let inbound =
            self.text(given(args.inbound), "--inbound", "Where messages from MESH go", Some("mesh.inbound"))?;
        let parked = self.text(
            given(args.parked),
            "--parked",
            "Where messages go that can never be sent",
            Some(parked),
        )?;
        let declare = args.declare
            || (self.asker.is_attended() && self.asker.agree("May the relay make what is missing?")?);
        let names = |outbound: Filled, inbound: Filled, parked: Filled| Names {
            outbound: outbound.0,
            inbound: inbound.0,
            parked: parked.0,
            declare,
        };
        let names = match (outbound, inbound, parked) {
            (Some(outbound), Some(inbound), Some(parked)) => names(outbound, inbound, parked),
            _ => return Ok(None),
        };
        let roots = args.broker_roots.as_deref().map(|path| existing(path, "--broker-roots")).transpose()?;
        if broker == BrokerKind::Amqp {
            let text = "The broker's URL, such as amqps://user:password@host:5671/vhost";
            let url =
                self.secret(args.broker_url_file.as_deref(), "--broker-url-file", text, "broker.url")?;
            let roots = match (roots, self.asker.is_attended()) {
                (None, true) if self.asker.agree("Is it reached over TLS (amqps)?")? => {
                    self.file(None, "--broker-roots", "File with the certificates to trust there (PEM)")?
                }
                (roots, _) => roots,
            };
            return Ok(url.map(|url| ShapeAnswers::Amqp { url, roots, names }));
        }
        let brokers =
            self.text(given(args.brokers), "--brokers", "The brokers, host:port, separated by commas", None)?;
        let login = match (args.broker_user, args.broker_password_file) {
            (Some(user), Some(password)) => {
                let password = existing(&password, "--broker-password-file")?;
                self.secrets.there.push(password.clone());
                Some((user, password))
            }
            _ => None,
        };
        Ok(brokers.map(|brokers| ShapeAnswers::Kafka { brokers: brokers.0, roots, login, names }))
    }
}

fn existing(path: &Path, option: &str) -> Result<PathBuf, AskError> {
    let text = path.display().to_string();
    text.parse::<Existing>()
        .map(|file| file.0)
        .map_err(|what| AskError::Unfit { option: option.to_owned(), what })
}

impl Secrets {
    /// The secrets of the configuration by the paths that it writes.
    ///
    /// # Errors
    /// The file that cannot be read.
    pub(super) fn held(&self) -> Result<HashMap<PathBuf, SecretString>, relay_config::SecretError> {
        let mut held = self.new.clone();
        for path in &self.there {
            let nowhere = relay_config::Secrets::in_files("");
            held.insert(path.clone(), SecretRef::File(path.clone()).resolve(&nowhere)?);
        }
        Ok(held)
    }
}
