//! The program; everything is in the library, where it is compiled beside the other crates.

fn main() -> std::process::ExitCode {
    waystation::cli::main()
}
