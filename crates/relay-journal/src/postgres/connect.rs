//! Connections: how they are made, what each is told first, and the few that reads share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Fault;
use super::open::PostgresOpenError;

/// Longest wait for one connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Waits between tries to connect: doubled each time, from the first to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How long a caller waits for the database before it is told that there is none.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What every session is told. A transaction of a process that was paused or cut off is ended by the server, so that a
/// lease can be taken over; a statement ends that nobody waits for any more; none is
/// compiled, which takes longer than any of them; a commit is on disk when it is answered,
/// whatever the server's setting is.
const SESSION: &str = "
    SET idle_in_transaction_session_timeout = '10s';
    SET statement_timeout = '15s';
    SET application_name = 'mesh-relay';
    SET timezone = 'UTC';
    SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Where the database is.
#[derive(Clone)]
pub(crate) struct Target {
    config: Config,
    /// `None`: without TLS.
    tls: Option<MakeRustlsConnect>,
    /// Names it without anything private.
    pub(crate) name: Arc<str>,
    /// After what time the server gives up a statement, where that is another than [`SESSION`] says.
    statement_within: Option<Duration>,
}

impl Target {
    /// Reads a connection string. With `tls`, nothing goes over a connection that is not encrypted.
    pub(crate) fn new(url: &str, tls: Option<ClientConfig>) -> Result<Self, PostgresOpenError> {
        let mut config: Config = url.parse().map_err(|_| PostgresOpenError::Url)?;
        match &tls {
            Some(_) => {
                config.ssl_mode(SslMode::Require);
            }
            None if config.get_ssl_mode() == SslMode::Require => return Err(PostgresOpenError::NoTls),
            None => {}
        }
        // After a change of the primary server, the other hosts of the string are tried.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(CONNECT_WITHIN);
        config.keepalives_idle(Duration::from_secs(30));
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
        let name = format!("{database} on {}", hosts.join(", ")).into();
        Ok(Self { config, tls: tls.map(MakeRustlsConnect::new), name, statement_within: None })
    }

    /// The same, and the server gives up each statement after this time.
    pub(crate) fn with_statements_within(self, within: Duration) -> Self {
        Self { statement_within: Some(within), ..self }
    }

    /// Whether what is read and written could be seen on the way.
    pub(crate) fn is_exposed(&self) -> bool {
        let local = |host: &Host| match host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        };
        // Where addresses are given, names are not looked up.
        let addresses = self.config.get_hostaddrs();
        let stays = match addresses {
            [] => self.config.get_hosts().iter().all(local),
            _ => addresses.iter().all(IpAddr::is_loopback),
        };
        self.tls.is_none() && !stays
    }

    /// One try.
    pub(crate) async fn connect(&self) -> Result<Session, Fault> {
        let connecting = async {
            // What carries the connection ends with the client. Its error reaches whoever waits for an answer.
            let client = match &self.tls {
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    tokio::spawn(connection);
                    client
                }
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    tokio::spawn(connection);
                    client
                }
            };
            client.batch_execute(SESSION).await?;
            if let Some(within) = self.statement_within {
                client.batch_execute(&format!("SET statement_timeout = {}", within.as_millis())).await?;
            }
            Ok(Session { client, statements: Mutex::default() })
        };
        timeout(CONNECT_WITHIN, connecting).await.unwrap_or_else(|_| Err(Fault::silent()))
    }
}

/// The database of a connection string, without its login, if everything would go there in clear text over a network
/// when no TLS is set up for it. `None` also for a string that is none.
pub fn in_clear_text(url: &str) -> Option<String> {
    let target = Target::new(url, None).ok()?;
    target.is_exposed().then(|| format!("the database {}", target.name))
}

/// Waits longer and longer.
pub(crate) struct BackOff(Duration);

impl BackOff {
    pub(crate) fn new() -> Self {
        Self(BACK_OFF.0)
    }

    pub(crate) async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(BACK_OFF.1);
    }
}

/// One connection with the statements that were prepared on it.
pub(crate) struct Session {
    pub(crate) client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Session {
    /// The statement, prepared once.
    pub(crate) async fn prepared(&self, sql: &'static str) -> Result<Statement, Fault> {
        let found = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = found {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }

    /// Runs a prepared statement for its rows.
    pub(crate) async fn query(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        Ok(self.client.query(&self.prepared(sql).await?, values).await?)
    }

    /// Runs a prepared statement for how many rows it touched.
    pub(crate) async fn execute(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Fault> {
        Ok(self.client.execute(&self.prepared(sql).await?, values).await?)
    }

    /// Runs statements without values.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Runs `work` in a transaction that `begin` begins. A caller that goes away drops the connection with it.
    pub(crate) async fn transaction<T>(
        &self,
        begin: &str,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.batch(begin).await?;
        match work.await {
            Ok(done) => {
                self.batch("COMMIT").await?;
                Ok(done)
            }
            Err(fault) => {
                // It fails only when the connection is gone, and then the server has rolled back.
                let _ = self.batch("ROLLBACK").await;
                Err(fault)
            }
        }
    }
}

/// A few connections that are made when they are needed.
pub(crate) struct Pool {
    target: Target,
    places: Semaphore,
    idle: Mutex<Vec<Arc<Session>>>,
}

impl Pool {
    /// A pool of this many connections. Further callers wait for one.
    pub(crate) fn new(target: Target, places: usize) -> Self {
        Self { target, places: Semaphore::new(places), idle: Mutex::default() }
    }

    /// Runs `work` within this time. When the connection breaks or other writers get in the way, it is run again, so it
    /// must be harmless when done twice; after [`ANSWER_WITHIN`] it is not begun again.
    pub(crate) async fn run<T, F>(
        &self,
        within: Duration,
        work: impl Fn(Arc<Session>) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let again_until = Instant::now() + ANSWER_WITHIN;
        let mut last = None;
        let trying = async {
            let _place = self.places.acquire().await.map_err(|_| Fault::Closed)?;
            let mut back_off = BackOff::new();
            loop {
                match self.attempt(&work).await {
                    Err(fault @ (Fault::Lost(_) | Fault::Again(_))) if Instant::now() < again_until => {
                        last = Some(fault);
                    }
                    done => return done,
                }
                back_off.wait().await;
            }
        };
        let tried = timeout(within, trying).await;
        tried.unwrap_or_else(|_| Err(last.unwrap_or_else(Fault::silent)))
    }

    async fn attempt<T, F>(&self, work: &impl Fn(Arc<Session>) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let session = match self.take() {
            Some(session) => session,
            None => Arc::new(self.target.connect().await?),
        };
        // Dropped half-way, by a caller that went away, the connection is dropped with it.
        let done = work(Arc::clone(&session)).await;
        if !matches!(done, Err(Fault::Lost(_))) {
            self.give_back(session);
        }
        done
    }

    fn take(&self) -> Option<Arc<Session>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that broke while nobody used them go.
        idle.retain(|session| !session.client.is_closed());
        idle.pop()
    }

    fn give_back(&self, session: Arc<Session>) {
        if !self.places.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }

    /// Takes no more work and ends the connections; one in use ends with its work.
    pub(crate) fn close(&self) {
        self.places.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
