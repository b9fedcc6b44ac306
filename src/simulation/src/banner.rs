//! The text box shown in the terminal once the demonstration runs.

use super::ready::Ready;

/// The box: addresses and credentials, in both languages.
pub fn banner(ready: &Ready, simulated: usize) -> String {
    let mut lines = vec![
        "Waystation 驿站 — 演示网络已就绪 · the sample network is ready".to_owned(),
        String::new(),
        format!("首页 front page     {}/", ready.base_url),
        format!("接口文档 API docs   {}/docs/", ready.base_url),
    ];
    if let Some(hatch) = &ready.hatch_url {
        lines.push(format!("取药口 hatches      {hatch}/"));
    }
    lines.push(String::new());
    let staff = [
        ("运营 operator", &ready.operator),
        ("医生 doctor", &ready.doctor),
        ("药师 pharmacist", &ready.pharmacist),
        ("补货 restocker", &ready.restocker),
        ("雇主 employer", &ready.employer),
    ];
    for (role, person) in staff {
        lines.push(format!("{}{}", padded(role, 20), person.email));
        lines.push(format!("{}TOTP {}   PIN {}", padded("", 20), person.totp_secret, person.signing_pin));
    }
    lines.push(format!("{}{}", padded("密码 password", 20), ready.operator.password));
    let worker = &ready.worker;
    lines.push(format!("{}{}   PIN {}", padded("工人卡 card", 20), worker.card_number, worker.pin));
    lines.push(format!("{}{}", padded("站点 station", 20), ready.station.station_code));
    lines.push(String::new());
    lines.push(if simulated > 0 {
        format!("{simulated} 台药柜与医生、药师在模拟中 · {simulated} cabinets, doctors and pharmacists are simulated")
    } else {
        "没有模拟的人与药柜 · nobody is simulated".to_owned()
    });
    lines
        .push("样例数据，不可用于真人 · sample data, never for real people      Ctrl-C 结束 ends".to_owned());
    boxed(&lines)
}

fn boxed(lines: &[String]) -> String {
    let inner = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
    let edge = "─".repeat(inner + 2);
    let mut text = format!("╭{edge}╮\n");
    for line in lines {
        text.push_str(&format!("│ {} │\n", padded(line, inner)));
    }
    text.push_str(&format!("╰{edge}╯"));
    text
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Columns in a terminal: Chinese characters and their punctuation take two.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_straight_in_both_languages() {
        let ready = crate::ready::tests::sample();
        for simulated in [0, 225] {
            let text = banner(&ready, simulated);
            let widths: Vec<usize> = text.lines().map(columns).collect();
            assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
            assert!(text.contains(&ready.doctor.email) && text.contains("http://127.0.0.1:8080/docs/"));
        }
    }
}
