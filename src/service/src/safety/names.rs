//! How the names that people type as allergies and medicines are understood, so that they can correct
//! them. It stores nothing.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AppState, formulary::TwoLanguages};
use domain::{
    safety::{Asked, NameStanding, NamedPart, recognise},
    spelling,
};

/// Names to look up.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrugNamesInput {
    /// Medicines that somebody takes, as they were typed.
    #[schema(value_type = Vec<spelling::ProfileEntry>, max_items = 30)]
    pub medicines: Vec<String>,
    /// Allergies, as they were typed.
    #[schema(value_type = Vec<spelling::ProfileEntry>, max_items = 30)]
    pub allergies: Vec<String>,
}

/// How the names were understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrugNamesView {
    pub medicines: Vec<DrugNameView>,
    pub allergies: Vec<DrugNameView>,
}

/// One name, and how it was understood. An entry that lists several names has one each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrugNameView {
    /// As it was typed.
    pub text: String,
    pub standing: NameStanding,
    /// The ingredients, the kind of drugs, or what an allergy is to.
    pub means: Vec<TwoLanguages>,
    /// What could have been meant, the most similar first. Nothing is taken for granted: until one is
    /// entered instead, the name counts as unknown.
    pub suggestions: Vec<DrugNameSuggestion>,
}

/// A name that could have been meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrugNameSuggestion {
    /// What to enter instead.
    pub write: String,
    /// What that means.
    pub means: TwoLanguages,
}

/// How each of these names is understood.
pub fn understood(app: &AppState, medicines: &[String], allergies: &[String]) -> DrugNamesView {
    let (formulary, rules) = (app.formulary(), app.rules());
    let each = |texts: &[String], asked: Asked| -> Vec<DrugNameView> {
        let parts = texts.iter().flat_map(|text| recognise(text, asked, &formulary, &rules));
        parts.map(view).collect()
    };
    DrugNamesView { medicines: each(medicines, Asked::Medicine), allergies: each(allergies, Asked::Allergy) }
}

fn view(part: NamedPart) -> DrugNameView {
    let suggestions = part.suggestions.into_iter();
    DrugNameView {
        text: part.text,
        standing: part.standing,
        means: part.means.iter().map(TwoLanguages::from).collect(),
        suggestions: suggestions
            .map(|one| DrugNameSuggestion { means: TwoLanguages::from(&one.means), write: one.write })
            .collect(),
    }
}
