//! Tests that need more than one room of the house. Each folder beside this file is one test program:
//!
//! | program | holds |
//! |---|---|
//! | `surface` | who may depend on whom, the command line's words |
//! | `engine` | the engine on a real journal, with a MESH that fails on purpose |
//! | `crash_table` | a relay of real parts, killed at every point of the crash table |
//! | `reload` | other configurations for a running relay, and two hundred of them under load |
//! | `end_to_end` | the binary with folders, the sandbox, the official emulator and the official client |
//! | `canary` | marked patient data and secrets on every way, and that they come out nowhere |
//! | `api` | the HTTP API of the binary: every call, bad input, and whatever schemathesis makes up from its document |
//! | `health` | what stands still is found and told once, probes, systemd, Kubernetes samples, stops |
//! | `guides` | the pages of `docs/` and README: each command is run, each configuration checked, each link followed |
//! | `console` | the operator page in a real browser, and what axe-core says of it |
//! | `package` | packages, the container's image and the laboratory, used as an administrator would |
//! | `doctor` | `doctor` before planted faults, and `init` for each shape |
//! | `prove` | long runs that `make prove` makes: huge messages, lost answers, thousands of kills |
