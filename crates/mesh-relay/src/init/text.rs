//! The answers as the text of a configuration, with a word on what each line is for.

use std::path::Path;

use relay_config::Environment;

use super::answers::{Answers, IdentityAnswers, Names, ShapeAnswers};
use crate::java_client::quoted;

/// The whole text.
pub(super) fn of(answers: &Answers) -> String {
    let mut text = String::from(
        "# Made by `mesh-relay init`. `mesh-relay check` tells what is wrong with it after a change.\n\n[mesh]\n",
    );
    text += &mesh(answers);
    text += &format!(
        "\n# Where each message is, and what became of it. Readable by the relay's account alone; keep it on a local disk.\n\
         [journal]\npath = {}\n",
        path(&answers.journal)
    );
    if let ShapeAnswers::Sidecar { listen, token, .. } = &answers.shape {
        text += &format!(
            "\n# The HTTP API and the operator page. Messages are handed in at POST http://{listen}/v1/messages, with the token in \
             the\n# header `Authorization: Bearer …`.\n[console]\nlisten = {}\n\n[[console.caller]]\nname = \"engine\"\n\
             role = \"sender\"\ntoken = {}\n",
            quoted(&listen.to_string()),
            file(token)
        );
    } else {
        text += "\n# The operator page and the HTTP API, for this machine alone. Without this section the relay listens nowhere.\n\
                 # [console]\n# listen = \"127.0.0.1:8710\"\n";
    }
    text += &format!(
        "\n[[mailbox]]\nid = {}\npassword = {}\n",
        quoted(answers.mailbox.as_str()),
        file(&answers.password)
    );
    if !answers.environment.is_loopback() {
        text += "poll = \"5m\"                       # MESH allows one look at the inbox in five minutes\n";
    }
    text + &adapter(answers)
}

fn mesh(answers: &Answers) -> String {
    let environment = match &answers.environment {
        Environment::Sandbox => quoted("sandbox"),
        Environment::Integration => quoted("integration"),
        Environment::Live => quoted("live"),
        Environment::Url(url) => format!("{{ url = {} }}", quoted(url)),
    };
    let mut text = format!("environment = {environment}\n");
    match &answers.identity {
        Some(IdentityAnswers::Pem { cert, key }) => {
            text += &format!("identity = {{ cert = {}, key = {} }}\n", path(cert), path(key));
        }
        Some(IdentityAnswers::Keystore { keystore, password }) => {
            text +=
                &format!("identity = {{ keystore = {}, password = {} }}\n", path(keystore), file(password));
        }
        None => {}
    }
    if let Some(roots) = &answers.roots {
        text += &format!("roots = {}   # whom to trust: the NHS roots are in no public store\n", path(roots));
    }
    text += &format!(
        "shared_key = {}   # of this environment; the same for all its mailboxes\n",
        file(&answers.shared_key)
    );
    if let Some(proxy) = &answers.proxy {
        text += &format!(
            "proxy = {{ url = {} }}   # user and password = {{ file = … }} beside it, if it asks for them\n",
            quoted(&proxy.0)
        );
    }
    text
}

fn adapter(answers: &Answers) -> String {
    let mailbox = quoted(answers.mailbox.as_str());
    let head = |name: &str, kind: &str| {
        format!("\n[[adapter]]\nname = \"{name}\"\nkind = \"{kind}\"\nmailbox = {mailbox}\n")
    };
    match &answers.shape {
        ShapeAnswers::DtsShim { root } => format!(
            "{}root = {}   # holds IN, OUT, SENT, FAILED and TEMP\ngrace = \"2s\"                      # a pair is taken when both files \
             have been quiet this long\n# reports = {{ transfer = true }}     # others than those of failures; as TransferReport of the Java client\n",
            head("folders", "dts-folder"),
            path(root)
        ),
        ShapeAnswers::Amqp { url, roots, names } => {
            let Names { outbound, inbound, parked, declare } = names;
            let (inbound, trust) = (quoted(inbound), trusted("roots", roots.as_deref()));
            format!(
                "{}url = {}\n{trust}# Messages for MESH. Each needs a message_id and the headers mesh_to and mesh_workflow_id.\n\
                 outbound = {{ queue = {} }}\n# Messages from MESH, with the routing key <mailbox>.<workflow>.<data|report>.\n\
                 inbound = {{ exchange = {inbound}, queue = {inbound} }}\nparked = {}   # messages that can never be sent, with the reason\n\
                 declare = {declare}                    # true: what is missing is made\n",
                head("queues", "amqp"),
                file(url),
                quoted(outbound),
                quoted(parked)
            )
        }
        ShapeAnswers::Kafka { brokers, roots, login, names } => {
            let Names { outbound, inbound, parked, declare } = names;
            let tls = roots
                .as_deref()
                .map_or(String::new(), |roots| format!("tls = {{ roots = {} }}\n", path(roots)));
            let login = login.as_ref().map_or(String::new(), |(user, password)| {
                let (user, password) = (quoted(user), file(password));
                format!("login = {{ mechanism = \"SCRAM-SHA-512\", user = {user}, password = {password} }}\n")
            });
            format!(
                "{}brokers = {}\n{tls}{login}# Messages for MESH. Each needs the headers mesh_to and mesh_workflow_id.\n\
                 outbound = {{ topic = {} }}\n# Messages from MESH, with the key <mailbox>|<sender>|<workflow>.\n\
                 inbound = {{ topic = {} }}\nparked = {}   # records that can never be sent, with the reason\n\
                 declare = {declare}                    # true: missing topics are made\n",
                head("topics", "kafka"),
                quoted(brokers),
                quoted(outbound),
                quoted(inbound),
                quoted(parked)
            )
        }
        ShapeAnswers::Sidecar { webhook, roots, secret, .. } => format!(
            "{}submit = true                      # messages are handed in at the console's port\n{}# Messages from MESH: acknowledged \
             there once this answered 2xx. Signed with the secret, as Standard Webhooks say.\ninbound = {{ url = {}, secret = {} }}\n",
            head("engine", "http"),
            trusted("roots", roots.as_deref()),
            quoted(&webhook.text),
            file(secret)
        ),
    }
}

fn trusted(key: &str, roots: Option<&Path>) -> String {
    roots.map_or(String::new(), |roots| format!("{key} = {}\n", path(roots)))
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn file(secret: &Path) -> String {
    format!("{{ file = {} }}", path(secret))
}
