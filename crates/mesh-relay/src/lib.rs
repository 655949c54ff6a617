//! The relay: command line and composition.
