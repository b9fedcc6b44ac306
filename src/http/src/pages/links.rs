//! The pages that links in letters open: set a password, confirm a mail address. The token is in
//! the fragment (after `#`), so that it is not sent to any server, log or other site; the page's
//! script sends it when somebody presses a button. Opening the page changes nothing, because
//! mail scanners open every link.

use actix_web::{HttpResponse, http::header};
use maud::{DOCTYPE, Markup, html};

use super::front::file;
use crate::auth::Anyone;

/// Sets a password, after an invitation or a reset.
pub async fn password(_: Anyone) -> HttpResponse {
    page(
        "设置密码 · Set your password",
        html! {
            form #password hidden autocomplete="on" {
                p { strong #who {} }
                p #invited hidden { (both("欢迎加入。请设置密码。", "Welcome. Please set a password.")) }
                p #anew hidden { (both("请设置新密码。", "Please set a new password.")) }
                input #email type="email" name="username" autocomplete="username" hidden readonly;
                (field("new-password", "password", "新密码（12 至 128 个字符）", "New password (12 to 128 characters)",
                    html! { input #new-password type="password" name="password" required minlength="12" maxlength="128" autocomplete="new-password"; }))
                (field("repeated", "repeated", "再输一次", "The same again",
                    html! { input #repeated type="password" required maxlength="128" autocomplete="new-password"; }))
                div #pin hidden {
                    (field("signing-pin", "signing_pin", "签名密码（6 至 12 位数字）", "Signing PIN (6 to 12 digits)",
                        html! { input #signing-pin type="password" name="signing_pin" inputmode="numeric" pattern="[0-9]{6,12}" maxlength="12" autocomplete="off"; }))
                }
                button type="submit" { (both("设置", "Set")) }
            }
            section #done hidden {
                h2 { (both("密码已设置", "Your password is set")) }
                div #totp hidden {
                    p { (both("请用身份验证器扫描二维码，它只显示这一次。登录时需要其中的动态码。",
                        "Scan this with your authenticator; it is shown this once. Signing in takes its one-time codes.")) }
                    img #qr alt="动态码二维码 / QR code of the one-time codes" width="240" height="240";
                    p { (both("无法扫描时，手动输入：", "If it cannot be scanned, type this:")) " " code #secret {} }
                }
                p #pin-later hidden { (both("您还没有签名密码：签署前须先设置。", "You have no signing PIN yet: signing takes one.")) }
                p { (both("现在可以登录了。", "You can sign in now.")) }
            }
        },
    )
}

/// Confirms a new mail address.
pub async fn email(_: Anyone) -> HttpResponse {
    page(
        "确认邮箱 · Confirm your mail address",
        html! {
            form #confirm hidden {
                p { (both("按下按钮，即以此邮箱登录。", "Press the button to sign in with this address from now on.")) }
                button type="submit" { (both("确认", "Confirm")) }
            }
            section #done hidden {
                h2 { (both("邮箱已确认", "Your address is confirmed")) }
                p { strong #address {} }
            }
        },
    )
}

fn field(id: &str, name: &str, zh: &str, en: &str, input: Markup) -> Markup {
    html! {
        p.field {
            label for=(id) { (both(zh, en)) }
            (input)
            span.bad role="alert" data-field=(name) {}
        }
    }
}

fn both(zh: &str, en: &str) -> Markup {
    html! { (zh) " " span lang="en" { (en) } }
}

fn page(title: &str, body: Markup) -> HttpResponse {
    let markup = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/front.css";
                link rel="stylesheet" href="/links.css";
                script type="module" src="/links.js" {}
            }
            body {
                header { h1 { "驿站健康" span lang="en" { "Waystation" } } }
                main.link {
                    (body)
                    p #problem role="alert" {}
                    noscript { p { (both("此页面需要 JavaScript。", "This page needs JavaScript.")) } }
                }
            }
        }
    };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(markup.into_string())
}

pub async fn style(_: Anyone) -> HttpResponse {
    file("text/css; charset=utf-8", include_str!("links.css"))
}

pub async fn script(_: Anyone) -> HttpResponse {
    file("text/javascript; charset=utf-8", include_str!("links.js"))
}
