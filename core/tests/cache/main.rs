//! The cache through its public API: one binary, because each links all of the crate.

mod crash;
mod damage;
mod layering;
mod lookup;
mod paths;
mod places;
mod removal;
mod sharing;
mod support;
