//! The pages that links in letters lead to.

use serde_json::json;

use crate::{harness::TestApp, seed::pharmacist_licence, staff_tokens::token_of_newest_letter};

#[actix_web::test]
async fn the_link_in_a_letter_opens_a_page_and_viewing_does_not_use_it_up() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let input = json!({"role": "pharmacist", "email": "new@example.cn", "name_zh": "新药师", "name_en": "New",
        "pharmacist": pharmacist_licence("P-1")});
    app.post(&seed.operator.token, "/api/v1/staff", input).await.expect(201);
    let letters = service::letter::claim_due(&app.state).await.expect("claimed");
    let link = letters.last().expect("a letter").link.clone();
    let (address, token) = link.split_once("#token=").expect("behind a hash");
    let path = address.strip_prefix(&app.state.public_url).expect("our own address");
    for _ in 0..3 {
        let page = app.client().get(format!("{}{path}", app.base)).send().await.expect("answered");
        assert_eq!(page.status(), 200);
        let headers = page.headers().clone();
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cache-control"], "no-store");
        let policy = headers["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        let text = page.text().await.expect("a page");
        assert!(text.contains("设置密码") && text.contains("Set your password"));
        assert!(
            !text.contains("<script>") && !text.contains("onclick") && !text.contains("style="),
            "{text}"
        );
        assert!(!text.contains("http://") && !text.contains("https://"), "nothing from elsewhere: {text}");
        let link = app.post("", "/api/v1/staff/link", json!({"token": token})).await.expect(200);
        assert_eq!((&link["purpose"], &link["signing_pin_needed"]), (&json!("invite"), &json!(true)));
        assert_eq!(link["email"], "new@example.cn");
    }
    let set = json!({"token": token, "password": "plums under a grey roof", "signing_pin": "739154"});
    let opened = app.post("", "/api/v1/staff/password", set).await.expect(200);
    let picture = opened["totp_qr_svg"].as_str().expect("a picture");
    assert!(picture.starts_with("<svg") && !picture.contains("script"), "{picture}");
    assert!(opened["totp_uri"].as_str().expect("an address").starts_with("otpauth://totp/"));
    app.post("", "/api/v1/staff/link", json!({"token": token})).await.problem(401, "link_invalid");
}

#[actix_web::test]
async fn the_pages_use_their_own_script_and_style() {
    let app = TestApp::open().await;
    for (path, kind) in
        [("/links.js", "text/javascript"), ("/links.css", "text/css"), ("/staff/email", "text/html")]
    {
        let answer = app.client().get(format!("{}{path}", app.base)).send().await.expect("answered");
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers()["content-type"].to_str().expect("text").starts_with(kind), "{path}");
    }
    let module = app.client().get(format!("{}/links.js", app.base)).send().await.expect("answered");
    let text = module.text().await.expect("text");
    // The script removes the token from the address bar, and inserts no answer as markup.
    assert!(text.contains("history.replaceState") && !text.contains("innerHTML"));
}

#[actix_web::test]
async fn guessing_links_is_rate_limited_and_a_reset_link_states_its_purpose() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.post("", "/api/v1/staff/password-reset", json!({"email": seed.doctor.email})).await.expect(202);
    let token = token_of_newest_letter(&app).await;
    let link = app.post("", "/api/v1/staff/link", json!({"token": token})).await.expect(200);
    assert_eq!((&link["purpose"], &link["signing_pin_stands"]), (&json!("reset"), &json!(true)));
    let mut last = 0;
    for at in 0..30 {
        let wrong = json!({"token": format!("no-such-{at}")});
        last = app.post("", "/api/v1/staff/link", wrong).await.status.as_u16();
    }
    assert_eq!(last, 429);
}
