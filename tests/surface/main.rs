//! What the house looks like from outside: its dependency rules.

mod dependencies;
