//! An annotated example of every setting: what `waystation config example` prints.

/// A TOML file with every setting, what it means, and its default.
pub const EXAMPLE: &str = include_str!("../../../../deploy/waystation.example.toml");

/// The example with its commented-out settings (`#= `) enabled.
pub fn complete() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("#= ") {
        Some(setting) => setting,
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}
