//! What the rules would ask about a person before they can judge these products. It reads
//! the same tables as the check, so that a new row asks its question without more ado.

use super::{
    classes::DrugClass,
    findings::Findings,
    input::{DraftLine, Profile, SafetyInput},
    items::{Item, Items},
    pairs::When,
    people::ProfileTest,
    rules::RuleSet,
};
use crate::formulary::{Condition, Formulary, Product};

/// What must be known of a person before these products can be judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Conditions that a label or a rule names, pregnancy and breast feeding apart.
    pub conditions: Vec<Condition>,
    /// Does it matter whether she is pregnant?
    pub pregnancy: bool,
    /// Does it matter whether she is breast feeding?
    pub breastfeeding: bool,
    /// Does it matter what the person works?
    pub job: bool,
    /// Does it matter what else is taken?
    pub medicines: bool,
}

/// What `lines` need. Lines whose product is not known need nothing: they are refused.
pub fn needs(lines: &[DraftLine], formulary: &Formulary, rules: &RuleSet) -> Needs {
    let bare = SafetyInput {
        on: chrono::NaiveDate::MIN,
        lines: lines.to_vec(),
        taking: Vec::new(),
        profile: Profile::default(),
    };
    let mut unheard = Findings::default();
    let items = Items::gather(&bare, formulary, rules, &mut unheard);
    let mut needs = Needs::default();
    for item in items.prescribed() {
        needs.of_item(item, rules);
    }
    for product in items.products.iter().flatten() {
        needs.job |= product.sedating || product.contains_alcohol;
        for condition in &product.contraindications {
            match condition {
                Condition::Pregnancy => needs.pregnancy = true,
                Condition::BreastFeeding => needs.breastfeeding = true,
                other => needs.conditions.push(*other),
            }
        }
    }
    needs.conditions.sort_unstable();
    needs.conditions.dedup();
    needs
}

impl Needs {
    fn of_item(&mut self, item: &Item<'_>, rules: &RuleSet) {
        // What reaches the blood meets whatever else does, and an unborn child.
        let absorbed = !item.local && !item.classes.has(DrugClass::NotAbsorbed);
        self.medicines |= absorbed;
        self.pregnancy |= absorbed;
        for (who, rule) in rules.people() {
            if item.is(*who) {
                match rule.test {
                    ProfileTest::Has(condition) => self.conditions.push(condition),
                    ProfileTest::KidneyDisease | ProfileTest::AmoxicillinReduced => {
                        self.conditions.push(Condition::KidneyDisease);
                    }
                    ProfileTest::AtHeight => self.job = true,
                    ProfileTest::MetforminNever
                    | ProfileTest::MetforminStart
                    | ProfileTest::MetforminOngoing
                    | ProfileTest::HighPressure
                    | ProfileTest::SeverePressure
                    | ProfileTest::Dehydrated => {}
                }
            }
        }
        for row in rules.pairs() {
            if item.is(row.left) || item.is(row.right) {
                self.medicines = true;
                match row.rule.when {
                    When::AtHeight | When::NotAtHeight => self.job = true,
                    When::KidneyOrDehydrated => self.conditions.push(Condition::KidneyDisease),
                    When::Always | When::LeftAboveDayUg(_) | When::WithThird(_) | When::BreathPositive => {}
                }
            }
        }
    }
}

/// Does it make sleepy: by its label, or by what the rules know of it?
pub fn is_sedating(product: &Product, rules: &RuleSet) -> bool {
    let known = |code: &str| {
        rules.facts(code).is_some_and(|facts| facts.classes.has(DrugClass::SedatingAntihistamine))
    };
    product.sedating
        || (!product.form.is_local() && product.ingredients.iter().any(|one| known(one.code.as_str())))
}
