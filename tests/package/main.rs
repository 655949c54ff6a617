//! What a release consists of besides the program: packages, the container's file, the laboratory. Each is used as an
//! administrator would, on a machine of its own that is this one with everything written to it kept apart ([`machine`]).

mod compose;
mod dockerfile;
mod image;
mod installed;
mod machine;
mod packages;
mod place;
mod relay;
mod tarball;
mod unit;
