//! Texts for people, in Chinese and English.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

/// A text of a rule, kept once for as long as the program runs. An edition's texts are mostly those of the
/// edition before it, and a finding can name them without a copy.
pub(crate) fn kept(text: &str) -> &'static str {
    static KEPT: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text) {
        return known;
    }
    let text: &'static str = Box::leak(text.into());
    kept.insert(text);
    text
}

/// One text in both languages of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Bilingual {
    /// Simplified Chinese.
    #[schema(value_type = String)]
    pub zh: Cow<'static, str>,
    /// English.
    #[schema(value_type = String)]
    pub en: Cow<'static, str>,
}

impl Bilingual {
    /// A text known at compile time.
    pub const fn fixed(zh: &'static str, en: &'static str) -> Self {
        Self { zh: Cow::Borrowed(zh), en: Cow::Borrowed(en) }
    }

    /// A text of a rule; see [`kept`].
    pub(crate) fn kept(text: &Self) -> Self {
        Self::fixed(kept(&text.zh), kept(&text.en))
    }

    /// A text built at run time.
    pub fn made(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: Cow::Owned(zh.into()), en: Cow::Owned(en.into()) }
    }

    /// The text in `language`.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Chinese => &self.zh,
            Language::English => &self.en,
        }
    }
}

crate::text_enum! {
    /// The languages of the network.
    #[derive(Default)]
    pub enum Language {
        /// Simplified Chinese, the default.
        #[default]
        Chinese = "zh",
        /// English.
        English = "en",
    }
}
