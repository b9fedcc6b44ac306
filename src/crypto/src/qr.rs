//! A text as a QR code in SVG, drawn in this process: the text (a TOTP secret)
//! is sent to no other service.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// White modules around the code (ISO/IEC 18004, clause 5.3.8).
const QUIET_ZONE: i32 = 4;

/// The image, black on white; `None` if the text is too long for a QR code.
pub fn to_svg(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = code.size() + 2 * QUIET_ZONE;
    let mut dark = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            // Writing into a String cannot fail.
            let _ = write!(dark, "M{},{}h1v1h-1z", x + QUIET_ZONE, y + QUIET_ZONE);
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0,0h{side}v{side}h-{side}z\"/><path fill=\"#000\" d=\"{dark}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_square_picture() {
        let picture = to_svg("otpauth://totp/Waystation:a%40b.cn?secret=JBSWY3DPEHPK3PXP").expect("it fits");
        assert!(picture.starts_with("<svg") && picture.contains("viewBox=\"0 0 "), "{picture}");
        assert!(to_svg(&"x".repeat(8_000)).is_none());
    }
}
