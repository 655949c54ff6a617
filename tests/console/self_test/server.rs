//! A server of the pages to look at, with the operator page's policy.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Nothing but what the server itself has, as the operator page says.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'";
/// What each page is: its path, its media type, its content.
const PAGES: [(&str, &str, &str); 8] = [
    ("/good", "text/html", include_str!("good.html")),
    ("/good.js", "text/javascript", include_str!("good.js")),
    ("/bad", "text/html", include_str!("bad.html")),
    ("/trap", "text/html", include_str!("trap.html")),
    ("/trap.js", "text/javascript", include_str!("trap.js")),
    ("/favicon.svg", "image/svg+xml", include_str!("../../../crates/relay-console/assets/favicon.svg")),
    ("/nhsuk.css", "text/css", include_str!("../../../crates/relay-console/assets/nhsuk.css")),
    ("/page.css", "text/css", include_str!("../../../crates/relay-console/assets/page.css")),
];

/// Serves on loopback until it is dropped.
pub struct Server {
    port: u16,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // Browsers also open connections on which they ask nothing.
                tokio::spawn(answer(connection));
            }
        });
        Self { port, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(connection: TcpStream) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if connection.read_line(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let asked = request.split(' ').nth(1).unwrap_or_default();
    let path = asked.trim_end_matches("-without-policy");
    let policy = if path == asked { format!("Content-Security-Policy: {POLICY}\r\n") } else { String::new() };
    let answer = match PAGES.iter().find(|(page, ..)| *page == path) {
        Some((_, kind, content)) => format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\n{policy}Content-Length: {}\r\n\
             Connection: close\r\n\r\n{content}",
            content.len()
        ),
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    };
    connection.write_all(answer.as_bytes()).await
}
