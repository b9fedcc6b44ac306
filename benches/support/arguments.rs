//! Command line arguments: `cargo bench --bench NAME -- --rounds 3`. All are
//! optional.

/// The number after `--name`, or `default`.
///
/// # Errors
/// When it is not a number.
pub fn number(name: &str, default: usize) -> anyhow::Result<usize> {
    let mut arguments =
        std::env::args().skip_while(|argument| argument.strip_prefix("--") != Some(name)).skip(1);
    match arguments.next() {
        Some(argument) => argument.parse().map_err(|_| anyhow::anyhow!("--{name} {argument}: not a number")),
        None => Ok(default),
    }
}
