//! What the rules need to know about a person before they can check these products. It reads the
//! same tables as the check, so a new row is asked about without further code.

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

/// The questions that must be answered before these products can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Conditions that a label or a rule names, except pregnancy and breast feeding.
    pub conditions: Vec<Condition>,
    /// Whether pregnancy matters.
    pub pregnancy: bool,
    /// Whether breast feeding matters.
    pub breastfeeding: bool,
    /// Whether the person's job matters.
    pub job: bool,
    /// Whether other medicines matter.
    pub medicines: bool,
}

/// The questions that `lines` need. Lines with an unknown product need none: they are refused.
pub fn needs(lines: &[DraftLine], formulary: &Formulary, rules: &RuleSet) -> Needs {
    let bare = SafetyInput {
        on: chrono::NaiveDate::MIN,
        lines: lines.to_vec(),
        taking: Vec::new(),
        profile: Profile::default(),
    };
    let mut ignored = Findings::default();
    let items = Items::gather(&bare, formulary, rules, &mut ignored);
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
        // An absorbed drug can interact with other drugs and can affect an unborn child.
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

/// Whether it is sedating, by its label or by the rules.
pub(crate) fn is_sedating(product: &Product, rules: &RuleSet) -> bool {
    let known = |code: &str| {
        rules.facts(code).is_some_and(|facts| facts.classes.has(DrugClass::SedatingAntihistamine))
    };
    product.sedating
        || (!product.form.is_local() && product.ingredients.iter().any(|one| known(one.code.as_str())))
}
