//! What the rules need to know about a person before they can check these products. It reads the
//! same tables as the check, so a new row is asked about without further code.

use super::{
    findings::Findings,
    input::{DraftLine, Profile, SafetyInput},
    items::{Item, Items},
    profile_test::ProfileTest,
    rows::When,
    rules::RuleSet,
};
use crate::formulary::{Condition, Formulary};

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
        let tables = rules.tables();
        // An absorbed drug can interact with other drugs and can affect an unborn child.
        let absorbed = !item.local && !item.classes.meets(tables.flagged.not_absorbed);
        self.medicines |= absorbed;
        self.pregnancy |= absorbed;
        for row in tables.people_concerns.rules_of(item) {
            self.of_test(tables.people[row].test);
        }
        for row in tables.pair_concerns.rules_of(item) {
            self.medicines = true;
            match tables.pairs[row].when {
                When::AtHeight | When::NotAtHeight => self.job = true,
                When::KidneyOrDehydrated => self.conditions.push(Condition::KidneyDisease),
                When::Always | When::LeftAboveDayUg(_) | When::With(_) | When::BreathPositive => {}
            }
        }
    }

    fn of_test(&mut self, test: ProfileTest) {
        match test {
            ProfileTest::Has(Condition::Pregnancy) | ProfileTest::OfWomen(Condition::Pregnancy) => {
                self.pregnancy = true;
            }
            ProfileTest::Has(Condition::BreastFeeding) | ProfileTest::OfWomen(Condition::BreastFeeding) => {
                self.breastfeeding = true;
            }
            ProfileTest::Has(condition)
            | ProfileTest::OfWomen(condition)
            | ProfileTest::HasUnmeasured(condition) => {
                self.conditions.push(condition);
            }
            ProfileTest::KidneyDisease | ProfileTest::ClearanceBelow(_) | ProfileTest::RenalBelow(_) => {
                self.conditions.push(Condition::KidneyDisease);
            }
            ProfileTest::AtHeight | ProfileTest::DrivesOrMachines => self.job = true,
            ProfileTest::EgfrBelow(_)
            | ProfileTest::FiltrationBelow(_)
            | ProfileTest::EgfrNew(..)
            | ProfileTest::EgfrOngoing(..)
            | ProfileTest::PressureFrom(..)
            | ProfileTest::AgeBelow(_)
            | ProfileTest::AgeFrom(_)
            | ProfileTest::Dehydrated
            | ProfileTest::NoSkinTest
            | ProfileTest::SkinTestPositive
            | ProfileTest::SkinTestOlder(_)
            | ProfileTest::Treats(_) => {}
        }
    }
}
