//! Configuration: loading, checking, diagnostics, and the sections that belong to no adapter.
