//! The program's allocator. It stands in the library so that the tests and the benchmarks run on
//! what the program runs on.

use mimalloc::MiMalloc;

/// A request makes some hundreds of small things and drops them on another thread; the system's
/// allocator spent a sixth of the CPU on that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
