//! A relay with its operator page: Alice's and Bob's mailboxes with folders, Carol's without an adapter, and MESH as the
//! embedded sandbox.

use std::process::{Command, Stdio};

use mesh_sandbox::{Call, Effect, Fault, Page, Sandbox};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::browser::Browser;
use crate::process::{ALICE, BOB, Relay, Site, binary};

/// A mailbox that no adapter takes from: what is in its inbox stays there.
pub const CAROL: &str = "X26ABC3";
/// A mailbox that MESH does not know.
pub const NOBODY: &str = "X26HC999";
pub const WORKFLOW: &str = "TEST_WORKFLOW";
/// Tokens of the two people who may sign in.
pub const OPERATOR: &str = "token-of-an-operator-0123456789abcdef0123";
pub const VIEWER: &str = "token-of-a-viewer-0123456789abcdef0123456";

/// The fault by which MESH takes nothing from Alice.
const DOWN: &str = "takes nothing from Alice";

/// The relay's surroundings, and the relay itself, which ends with them.
pub struct Scene {
    // Dropped first, so that a failing test still finds its log.
    _relay: Relay,
    pub sandbox: Sandbox,
    pub site: Site,
    address: String,
}

impl Scene {
    /// A relay that looks into inboxes several times a second.
    pub async fn new() -> Self {
        Self::polling("200ms").await
    }

    /// A relay with another pause between two looks into an inbox.
    pub async fn polling(every: &str) -> Self {
        let sandbox = Sandbox::loopback().await.expect("a sandbox");
        let site = Site::new(&sandbox.base_url(), "");
        site.write("operator.token", OPERATOR);
        site.write("viewer.token", VIEWER);
        let mailboxes = site
            .configuration(&sandbox.base_url(), "")
            .replace("200ms\"\n[[adapter]]", &format!("{every}\"\n[[adapter]]"));
        let text = format!(
            "{mailboxes}[[mailbox]]\nid = \"{CAROL}\"\npassword = {{ file = \"mailbox.pass\" }}\n\
             [console]\nlisten = \"127.0.0.1:0\"\n\
             [[console.caller]]\nname = \"Olivia Operator\"\nrole = \"operator\"\ntoken = {{ file = \"operator.token\" }}\n\
             [[console.caller]]\nname = \"Victor Viewer\"\nrole = \"viewer\"\ntoken = {{ file = \"viewer.token\" }}\n"
        );
        site.write("relay.toml", text);
        let relay = site.run().await;
        let address = address(&relay.log()).unwrap_or_else(|| panic!("no console:\n{}", relay.log()));
        Self { sandbox, site, address, _relay: relay }
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A browser in which somebody has signed in.
    pub async fn browser_of(&self, token: &str) -> Browser {
        let browser = Browser::open().await;
        self.sign_in(&browser, token).await;
        browser
    }

    /// Signs somebody in.
    pub async fn sign_in(&self, browser: &Browser, token: &str) {
        browser.goto(&self.url("/sign-in")).await;
        browser.fill("#token", token).await;
        browser.click("main button[type=submit]").await;
        browser.wait_for("form[action='/sign-out']").await;
    }

    /// Drops a pair for a recipient with Alice.
    pub fn drop_pair(&self, name: &str, to: &str) {
        self.site.alice.drop_pair(name, &Control::new(ALICE, to).local_id(name), b"an invented letter");
    }

    /// Has a pair carried from Alice to Bob; both folders and MESH are done with it then.
    pub async fn carry(&self, name: &str) {
        let (sent, collected) = (self.site.alice.controls("SENT"), self.collected());
        let received = self.site.bob.received().len();
        self.drop_pair(name, BOB);
        eventually("the pair has arrived", || self.site.bob.received().len() > received).await;
        eventually("it is filed as sent", || self.site.alice.controls("SENT") > sent).await;
        eventually("MESH is told that it arrived", || self.collected() > collected).await;
    }

    /// How many messages from MESH were acknowledged.
    fn collected(&self) -> i64 {
        let Ok(journal) = rusqlite::Connection::open(self.site.path("journal.db")) else { return 0 };
        let count = "SELECT count(*) FROM inbound WHERE state_name = 'acknowledged'";
        journal.query_row(count, [], |row| row.get(0)).unwrap_or(0)
    }

    /// Waits until this many messages to MESH are in a state.
    pub async fn outbound(&self, state: &str, number: i64) {
        eventually(&format!("{number} {state}"), || self.site.outbound(state) == number).await;
    }

    /// Waits until MESH was told of this many messages that they arrived.
    pub async fn acknowledged(&self, number: i64) {
        eventually(&format!("{number} acknowledged"), || self.collected() == number).await;
    }

    /// From now on MESH takes nothing from Alice, as if her password were wrong.
    pub fn take_nothing(&self) {
        let refused = Effect::Status { status: 403, retry_after_seconds: None, body: Page::Mesh };
        let mailbox = Some(ALICE.parse().expect("a mailbox"));
        let fault = Fault { mailbox, calls: vec![Call::Send], ..Fault::new(DOWN, refused) };
        self.sandbox.faults().add(fault).expect("a fault");
    }

    /// MESH takes again what Alice sends.
    pub fn take_again(&self) {
        assert!(self.sandbox.faults().remove(DOWN), "it took nothing");
    }

    /// Puts a message into a mailbox's inbox at MESH, as another organisation would. Returns its id.
    pub async fn put_into(&self, mailbox: &str, payload: &str, more: &[&str]) -> String {
        self.site.write("letter", payload);
        let mut command = Command::new(binary());
        command
            .args(["send", mailbox, "letter", "--workflow", WORKFLOW])
            .args(more)
            .args(["--url", &self.sandbox.base_url(), "--mailbox", ALICE])
            .current_dir(self.site.folder.path())
            .env("MESH_MAILBOX_PASSWORD", "password")
            .env("MESH_SHARED_KEY", "TestKey")
            .stdin(Stdio::null());
        // Elsewhere, so that the sandbox in this thread can answer it.
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
        let output = output.expect("the relay's program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("an id").trim().to_owned()
    }

    /// What people did, newest first, as the page says it; without their signing in.
    pub async fn deeds(&self, browser: &Browser) -> Vec<String> {
        browser.goto(&self.url("/deeds")).await;
        let deeds = browser.texts("#deeds tbody tr").await;
        deeds.into_iter().filter(|deed| !deed.contains("Signed in")).collect()
    }

    /// Has Alice's mailbox paused, or resumed if it is.
    pub async fn switch_pause(&self, browser: &Browser) {
        browser.goto(&self.url(&format!("/mailboxes/{ALICE}/pause"))).await;
        browser.click("#do").await;
        browser.wait_for("main .actions").await;
    }

    /// Opens the page of the message to MESH with a local id of its own.
    pub async fn open_message(&self, browser: &Browser, local_id: &str) {
        browser.goto(&self.url(&format!("/messages?direction=outbound&q={local_id}"))).await;
        assert_eq!(browser.texts("#messages tbody tr").await.len(), 1, "{local_id} is one message");
        browser.click("#messages tbody th a").await;
        browser.wait_for("#timeline").await;
    }
}

/// The console's address, as the relay's log says it.
fn address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("the console is open"))?;
    let at = line.find("127.0.0.1:")?;
    let address: String =
        line[at..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
    Some(address)
}
