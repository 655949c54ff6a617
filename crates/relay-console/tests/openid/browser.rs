//! As much of a browser as sign-in takes: cookies, redirects, forms.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use url::{Url, form_urlencoded};

/// Most redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// A page as it arrived.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) text: String,
    location: Option<String>,
}

impl Page {
    /// Where a redirect leads.
    pub(crate) fn location(&self) -> String {
        let location = self.location.as_deref().unwrap_or_else(|| panic!("no redirect: {self:?}"));
        Url::parse(&self.url).and_then(|url| url.join(location)).expect("an address").into()
    }

    /// What stands between two texts.
    pub(crate) fn between(&self, before: &str, after: &str) -> String {
        let rest = self.text.split_once(before).unwrap_or_else(|| panic!("no {before} in {}", self.text)).1;
        rest.split(after).next().unwrap_or_default().to_owned()
    }
}

/// Cookies by host with port, path and name.
#[derive(Default)]
pub(crate) struct Browser(BTreeMap<(String, String, String), String>);

impl Browser {
    /// Asks for a page without following it anywhere.
    pub(crate) async fn step(&mut self, url: &str) -> Page {
        self.send(url, None).await
    }

    /// Asks for a page and follows where it leads.
    pub(crate) async fn get(&mut self, url: &str) -> Page {
        let page = self.step(url).await;
        self.follow(page).await
    }

    pub(crate) async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        self.send(url, Some(fields)).await
    }

    async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..REDIRECTS_MAX {
            if page.location.is_none() {
                return page;
            }
            let next = page.location();
            page = self.step(&next).await;
        }
        panic!("the redirects do not end: {page:?}");
    }

    async fn send(&mut self, url: &str, form: Option<&[(&str, &str)]>) -> Page {
        let at = Url::parse(url).expect("an address");
        let host = at.authority().to_owned();
        let cookies =
            self.0.iter().filter(|((of, path, _), _)| *of == host && at.path().starts_with(path.as_str()));
        let cookies: Vec<_> = cookies.map(|((.., name), value)| format!("{name}={value}")).collect();
        let method = if form.is_some() { "POST" } else { "GET" };
        let mut request = Request::builder().method(method).uri(url);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let mut body = form_urlencoded::Serializer::new(String::new());
        if let Some(fields) = form {
            body.extend_pairs(fields);
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(Bytes::from(body.finish()))).expect("a request");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        for set in parts.headers.get_all(header::SET_COOKIE) {
            self.keep(&host, set.to_str().expect("a cookie"));
        }
        let text = body.collect().await.expect("a body").to_bytes();
        let location =
            parts.headers.get(header::LOCATION).map(|value| value.to_str().expect("text").to_owned());
        Page {
            url: url.to_owned(),
            status: parts.status.as_u16(),
            text: String::from_utf8_lossy(&text).into_owned(),
            location,
        }
    }

    fn keep(&mut self, host: &str, set: &str) {
        let mut parts = set.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let path = parts.find_map(|part| part.strip_prefix("path=").or(part.strip_prefix("Path=")));
        let key = (host.to_owned(), path.unwrap_or("/").to_owned(), name.to_owned());
        match value.is_empty() {
            true => self.0.remove(&key),
            false => self.0.insert(key, value.to_owned()),
        };
    }
}
