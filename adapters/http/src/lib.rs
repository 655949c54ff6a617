//! Messages over HTTP: handed in, delivered to a webhook, and told of by one.
