//! Staff passwords: Argon2id. Hashing is slow on purpose (about 20 ms of a core
//! and 19 MiB), so callers run it in the blocking pool behind a semaphore.

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::SaltString,
};

use super::{CryptoError, random};
use domain::{refusal::FieldProblem, spelling::PASSWORD_CHARS, words::Bilingual};

/// Memory in KiB. Source: the project's security checks, people: 19 MiB or more.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Placeholder hash for an account that does not exist. Its output is all zeros,
/// which no password is known to produce.
const PLACEHOLDER_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn argon2() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a new password into a PHC string with its own salt and parameters.
///
/// # Errors
/// [`CryptoError::OperationFailed`] if the backend fails (out of memory).
pub fn hash(password: &str) -> Result<String, CryptoError> {
    let salt = SaltString::encode_b64(&random::bytes::<16>()).map_err(|_| CryptoError::OperationFailed)?;
    let hash =
        argon2().hash_password(password.as_bytes(), &salt).map_err(|_| CryptoError::OperationFailed)?;
    Ok(hash.to_string())
}

/// Whether `password` matches `stored`. For an unknown account (`None`) the same
/// work is done and the answer is no, so that the time does not reveal which
/// accounts exist.
pub fn verify(stored: Option<&str>, password: &str) -> bool {
    let known = stored.and_then(|text| PasswordHash::new(text).ok());
    let placeholder = PasswordHash::new(PLACEHOLDER_HASH).expect("the placeholder is a valid PHC string");
    let matches =
        argon2().verify_password(password.as_bytes(), known.as_ref().unwrap_or(&placeholder)).is_ok();
    matches && known.is_some()
}

/// Whether a stored hash was made with other than the current parameters and
/// should be replaced at the next successful sign-in.
pub fn needs_rehash(stored: &str) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else { return true };
    let Ok(params) = Params::try_from(&hash) else { return true };
    let current = (MEMORY_KIB, PASSES, LANES);
    hash.algorithm != Algorithm::Argon2id.ident()
        || (params.m_cost(), params.t_cost(), params.p_cost()) != current
}

/// What is wrong with a new password. `personal` are words that an attacker
/// would try first: the name, the e-mail's local part, the staff number.
///
/// The policy requires length, not kinds of characters, which lead to
/// `Password1!`. Source: NIST SP 800-63B, section 5.1.1.2.
pub fn check_policy(field: &str, password: &str, personal: &[&str]) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let mut add = |code: &str, message: Bilingual| {
        problems.push(FieldProblem { field: field.to_owned(), code: code.to_owned(), message });
    };
    let (length, (least, most)) = (password.chars().count(), (PASSWORD_CHARS.start(), PASSWORD_CHARS.end()));
    if length < *least {
        let (zh, en) =
            (format!("密码至少 {least} 个字符。"), format!("A password has at least {least} characters."));
        add("too_short", Bilingual::made(zh, en));
    }
    if length > *most {
        let (zh, en) =
            (format!("密码最多 {most} 个字符。"), format!("A password has at most {most} characters."));
        add("too_long", Bilingual::made(zh, en));
    }
    if is_simple(password) {
        let (zh, en) = (
            "密码过于简单：请避免重复、连续或常见的内容。",
            "The password is too simple: avoid repeats, runs and common words.",
        );
        add("too_simple", Bilingual::fixed(zh, en));
    }
    let lower = password.to_lowercase();
    let is_contained = |word: &&str| {
        let word = word.trim().to_lowercase();
        // Two Chinese characters can be a whole name; two Latin letters are too common.
        let least = if word.is_ascii() { 4 } else { 2 };
        word.chars().count() >= least && lower.contains(&word)
    };
    if personal.iter().any(is_contained) {
        let (zh, en) = (
            "密码不能包含您的姓名、邮箱或工号。",
            "The password must not contain your name, e-mail or staff number.",
        );
        add("personal", Bilingual::fixed(zh, en));
    }
    problems
}

fn is_simple(password: &str) -> bool {
    const COMMON: [&str; 14] = [
        "",
        "password",
        "passwort",
        "qwerty",
        "qwertyuiop",
        "asdfghjkl",
        "admin",
        "administrator",
        "welcome",
        "letmein",
        "iloveyou",
        "woaini",
        "changeme",
        "waystation",
    ];
    let lower = password.to_lowercase();
    let mut letters: Vec<char> = lower.chars().collect();
    let is_run = letters.windows(2).all(|pair| (u32::from(pair[1])).abs_diff(u32::from(pair[0])) <= 1);
    // A common word stays common with digits and signs around it.
    let core: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    letters.sort_unstable();
    letters.dedup();
    letters.len() < 5 || is_run || COMMON.contains(&core.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!stored.contains("horse"));
        assert!(verify(Some(&stored), "correct horse battery"));
        assert!(!verify(Some(&stored), "correct horse batterz"));
        assert!(!verify(Some(&stored), ""));
        assert_ne!(stored, hash("correct horse battery").unwrap(), "each hash has its own salt");
    }

    #[test]
    fn an_unknown_account_never_signs_in_and_takes_as_long() {
        assert!(!verify(None, "") && !verify(None, "correct horse battery"));
        assert!(!verify(Some("rubbish"), "rubbish"));
        assert!(!needs_rehash(PLACEHOLDER_HASH), "the placeholder must cost what a real hash costs");
    }

    #[test]
    fn old_parameters_need_a_rehash() {
        assert!(!needs_rehash(&hash("correct horse battery").unwrap()));
        assert!(needs_rehash(&PLACEHOLDER_HASH.replace("m=19456", "m=4096")));
        assert!(needs_rehash(&PLACEHOLDER_HASH.replace("argon2id", "argon2i")));
        assert!(needs_rehash("rubbish"));
    }

    #[test]
    fn an_older_hash_still_verifies() {
        let params = Params::new(8_192, 1, 1, None).unwrap();
        let salt = SaltString::encode_b64(&[9; 16]).unwrap();
        let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(b"correct horse battery", &salt)
            .unwrap()
            .to_string();
        assert!(verify(Some(&old), "correct horse battery") && needs_rehash(&old));
    }

    #[test]
    fn the_policy_names_what_is_wrong() {
        let codes = |password: &str| {
            let found = check_policy("password", password, &["Li Wei", "liwei", "李伟", "ab"]);
            found.into_iter().map(|p| p.code).collect::<Vec<_>>()
        };
        assert_eq!(codes("correct horse battery"), Vec::<String>::new());
        assert_eq!(codes("药柜旁边的旧梧桐树三月发芽"), Vec::<String>::new());
        assert_eq!(codes("hz7!kq-wmvd"), ["too_short"]);
        assert_eq!(codes(&"abcdefgh ".repeat(15)), ["too_long"]);
        assert_eq!(codes("aaaaaaaaaaaaaa"), ["too_simple"]);
        assert_eq!(codes("abcdefghijklmn"), ["too_simple"]);
        assert_eq!(codes("13800138000138"), ["too_simple"]);
        assert_eq!(codes("Password-2026!"), ["too_simple"]);
        assert_eq!(codes("my-LIWEI-is-long"), ["personal"]);
        assert_eq!(codes("我的名字是李伟，住在城东边"), ["personal"]);
        assert_eq!(codes("1234"), ["too_short", "too_simple"]);
        assert_eq!(codes(""), ["too_short", "too_simple"]);
    }
}
