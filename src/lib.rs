//! Waystation: the backend of a network of health points for people who work
//! outdoors.
//!
//! The way of a consultation, step by step; the same names stand on every
//! floor, so a reader can go down a step or along the journey:
//!
//! ```text
//! check-in -> readings (-> report) -> triage -> waiting -> offered -> active
//!   -> prescription -> review -> order (pay) -> attempts -> vended -> report
//! ```
//!
//! The floors; imports go only downward, and siblings never import each other
//! (`tests/house/floors.rs` reads every path):
//!
//! | floor | rooms |
//! |---|---|
//! | - | `app` puts everything together; only it chooses a backend |
//! | 5 | `demo`: the sample network and simulated people, over the public API |
//! | 4 | `transport`: HTTP and SSE; `jobs`: what runs by itself |
//! | 3 | `service`: one transaction per verb |
//! | 2 | `storage`: SQL; `coordination`: what may be lost; `mail` |
//! | 1 | `domain`: pure rules; `crypto`: tokens, signatures, sealing |
//! | 0 | `clock`, `config`, `private_files`, `telemetry` |
//!
//! The invariants, asserted in tests and checked by the crash test:
//!
//! 1. At most one physical vend per attempt, and per prescribed unit.
//! 2. Units dispensed, in doubt and live never exceed units prescribed.
//! 3. Per slot and lot, received = on hand + reserved + in doubt + dispensed
//!    + discarded; no term is negative.
//! 4. Nothing is vended without a prescription signed by its doctor, approved
//!    by a pharmacist who is not that doctor, unexpired and paid; or an order
//!    whose every line may be sold over the counter.
//! 5. The vended lot was allowed when the attempt started.
//! 6. Every acknowledged consultation is in exactly one state, and ends.
//! 7. A doctor never holds more than their capacity; a consultation has at
//!    most one accepted doctor.
//! 8. The same idempotency key gives the same answer.
//! 9. What was acknowledged survives SIGKILL.
//! 10. State columns equal the fold of their events.
//! 11. No caller sees a row that is not theirs.
#![forbid(unsafe_code)]

pub mod app;
pub mod clock;
pub mod config;
pub mod coordination;
pub mod crypto;
pub mod demo;
pub mod domain;
pub mod jobs;
pub mod mail;
pub mod private_files;
pub mod service;
pub mod storage;
pub mod telemetry;
pub mod transport;

use mimalloc::MiMalloc;

/// A request makes some hundreds of small things and drops them on another
/// thread; the system's allocator spent a sixth of the CPU on that. It stands
/// here so that the tests and the benchmarks run on what the program runs on.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
