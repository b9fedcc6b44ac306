//! The program's allocator. It is set in the library so that tests and benchmarks use the same
//! one as the program.

use mimalloc::MiMalloc;

/// A request makes several hundred small allocations and frees them on another thread; the system
/// allocator used a sixth of the CPU for that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
