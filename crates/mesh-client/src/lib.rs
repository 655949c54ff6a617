//! Calls MESH: one pooled HTTPS client with mutual TLS, gzip and streaming chunks.
