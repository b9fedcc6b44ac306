//! `cargo bench --bench NAME -- --rounds 3`: each number has a default, so
//! that nobody needs to give any.

/// The number behind `--name`, or `default`.
///
/// # Errors
/// When something else than a number stands there.
pub fn number(name: &str, default: usize) -> anyhow::Result<usize> {
    let mut words = std::env::args().skip_while(|word| word.strip_prefix("--") != Some(name)).skip(1);
    match words.next() {
        Some(word) => word.parse().map_err(|_| anyhow::anyhow!("--{name} {word}: not a number")),
        None => Ok(default),
    }
}
