//! Workers with cards of their own.

use serde_json::json;

use crate::support::{TestApp, id_in, seed::PIN};
use domain::{ids::WorkerId, network::luhn_check_digit};

/// Registers a courier; their card has these digits and a check digit.
pub async fn register(app: &TestApp, operator: &str, digits: &str, phone: &str) -> (WorkerId, String) {
    let card = format!("{digits}{}", luhn_check_digit(digits).expect("digits"));
    let body = json!({"card_number": card, "pin": PIN, "name": "样例丁", "phone": phone,
        "birth_date": "1990-01-01", "sex": "male", "job": "courier", "employer_id": null, "language": "zh"});
    let made = app.post(operator, "/api/v1/workers", body).await.expect_created();
    (id_in(&made).parse().expect("an id"), card)
}
