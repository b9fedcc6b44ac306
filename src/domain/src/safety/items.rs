//! The items that one check compares: every ingredient of every line and of everything taken.

use chrono::NaiveDate;

use super::{
    classes::Classes,
    findings::Findings,
    input::{SafetyInput, Taken},
    named::{Asked, Named, did_you_mean, named, parts},
    negation::means_none,
    report::Severity,
    rows::{Alias, Side},
    rules::RuleSet,
};
use crate::{
    formulary::{Formulary, Product, ProductCode, Standing},
    words::Bilingual,
};

const GAP: &str = "Waystation clinical rules: an unknown drug reads unknown";

/// The origin of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This line of the prescription, by index.
    Line(usize),
    /// This entry of what is taken, by index.
    Taken(usize),
    /// The breath test.
    Breath,
}

/// One ingredient of one product or reported medicine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) origin: Origin,
    /// Its number in the rules; `None` where they do not contain it.
    pub(super) ingredient: Option<u16>,
    /// Classes with a systemic effect.
    pub(super) classes: Classes,
    /// Classes that count for allergies.
    pub(super) allergy_classes: Classes,
    /// Acts only where it is applied.
    pub(super) local: bool,
    /// Is swallowed and absorbed.
    pub(super) swallowed: bool,
    /// Only one of several that a named kind of drugs could be.
    pub(super) possible: bool,
    /// Micrograms a day; `None` where unknown.
    pub(super) day_ug: Option<i64>,
    /// The product, where there is one.
    pub(super) product: Option<&'a Product>,
}

impl Item<'_> {
    /// Whether it matches this side of a row. Rows are about systemic effects, so a local item
    /// matches by its own (topical) classes only.
    pub(super) fn is(&self, side: &Side) -> bool {
        let named = |number: u16| side.ingredients.contains(&number);
        self.classes.meets(side.classes)
            || (side.any && self.swallowed)
            || (!self.local && self.ingredient.is_some_and(named))
    }

    /// Whether it counts for sums and duplicates: it certainly reaches the blood.
    pub(super) fn counts(&self) -> bool {
        !self.local && !self.possible
    }

    pub(super) fn line(&self) -> Option<usize> {
        match self.origin {
            Origin::Line(at) => Some(at),
            Origin::Taken(_) | Origin::Breath => None,
        }
    }
}

/// All items of one check.
pub(super) struct Items<'a> {
    all: Vec<Item<'a>>,
    /// The product of each line; `None` where the formulary does not contain it.
    pub(super) products: Vec<Option<&'a Product>>,
    /// What stands against each of these products.
    pub(super) standings: Vec<Option<&'a Standing>>,
}

impl<'a> Items<'a> {
    pub(super) fn gather(
        input: &SafetyInput,
        formulary: &'a Formulary,
        rules: &RuleSet,
        findings: &mut Findings,
    ) -> Self {
        let mut items = Items {
            all: Vec::with_capacity(16),
            products: Vec::with_capacity(input.lines.len()),
            standings: Vec::with_capacity(input.lines.len()),
        };
        for (at, line) in input.lines.iter().enumerate() {
            let (product, standing) = formulary.with_standing(&line.product).unzip();
            items.products.push(product);
            items.standings.push(standing);
            items.add_product(
                Origin::Line(at),
                &line.product,
                product,
                line.day_units_thousandths(),
                rules,
                findings,
            );
        }
        for (at, taken) in input.taking.iter().enumerate() {
            items.add_taken(at, taken, input.on, formulary, rules, findings);
        }
        let is_positive = |alcohol: i64| alcohol > rules.thresholds.alcohol_positive_above;
        if input.profile.breath_alcohol.is_some_and(is_positive) {
            items.all.push(ethanol(Origin::Breath, None, rules));
        }
        items
    }

    pub(super) fn all(&self) -> &[Item<'a>] {
        &self.all
    }

    /// The items of one line.
    pub(super) fn of_line(&self, line: usize) -> impl Iterator<Item = &Item<'a>> {
        self.all.iter().filter(move |item| item.origin == Origin::Line(line))
    }

    /// The items of the prescription itself.
    pub(super) fn prescribed(&self) -> impl Iterator<Item = &Item<'a>> {
        self.all.iter().filter(|item| item.line().is_some())
    }

    /// Whether the ingredient of `item` is taken already.
    pub(super) fn takes(&self, item: &Item<'_>) -> bool {
        let same = |other: &Item<'_>| {
            matches!(other.origin, Origin::Taken(_)) && other.ingredient == item.ingredient && !other.possible
        };
        item.ingredient.is_some() && self.all.iter().any(same)
    }

    /// Micrograms a day of the ingredient of `item` over everything that is taken; `None` where an
    /// amount is unknown.
    pub(super) fn day_ug(&self, item: &Item<'_>) -> Option<i64> {
        let of_it =
            |other: &&Item<'_>| other.ingredient == item.ingredient && !other.local && !other.possible;
        let same = self.all.iter().filter(of_it);
        same.map(|other| other.day_ug).try_fold(0i64, |sum, day| day.map(|day| sum.saturating_add(day)))
    }

    fn add_taken(
        &mut self,
        at: usize,
        taken: &Taken,
        on: NaiveDate,
        formulary: &'a Formulary,
        rules: &RuleSet,
        findings: &mut Findings,
    ) {
        let origin = Origin::Taken(at);
        match taken {
            Taken::Vended { until, .. } if *until < on => {}
            Taken::Vended { product, units_per_day_thousandths, .. } => {
                let known = formulary.get(product);
                self.add_product(origin, product, known, *units_per_day_thousandths, rules, findings);
            }
            Taken::Reported { medicine, .. } if means_none(medicine) => {}
            Taken::Reported { medicine, day_ug } => match named(medicine, formulary, rules) {
                Some(Named::Drug(numbers)) => {
                    // Of a compound remedy nobody states the amount of each ingredient.
                    let day_ug = day_ug.filter(|_| numbers.len() == 1);
                    numbers.iter().for_each(|number| self.add_reported(origin, *number, day_ug, rules));
                }
                Some(Named::Group(alias)) => self.add_group(origin, medicine, alias, rules, findings),
                None => {
                    for part in parts(medicine).filter(|part| !means_none(part)) {
                        match named(part, formulary, rules) {
                            Some(Named::Drug(numbers)) => {
                                numbers
                                    .iter()
                                    .for_each(|number| self.add_reported(origin, *number, None, rules));
                            }
                            Some(Named::Group(alias)) => {
                                self.add_group(origin, part, alias, rules, findings);
                            }
                            None => unknown_medicine(part, formulary, rules, findings),
                        }
                    }
                }
            },
        }
    }

    /// A kind of drugs: what is true of all of its drugs is certain, what is true of one is possible.
    fn add_group(
        &mut self,
        origin: Origin,
        text: &str,
        alias: &Alias,
        rules: &RuleSet,
        findings: &mut Findings,
    ) {
        let shown: String = text.chars().take(60).collect();
        let message = Bilingual::made(
            format!("“{shown}”只是一类药：{}。请问清具体是哪一种。", alias.shown.zh),
            format!("\"{shown}\" is only a kind of drugs: {}. Ask which one it is.", alias.shown.en),
        );
        findings.made("class_named", Severity::Unknown, &[], message, rules.cite(alias.source));
        let mut kinds = alias.classes.iter();
        if let (Some(_), None, true) = (kinds.next(), kinds.next(), alias.ingredients.is_empty()) {
            let (classes, item) = (alias.classes, plain(origin, None, None, rules));
            self.all.push(Item { classes, allergy_classes: classes, ..item });
        }
        for (number, facts) in (0u16..).zip(rules.ingredients()) {
            if facts.classes.meets(alias.classes) || alias.ingredients.contains(&number) {
                let item = plain(origin, Some(number), None, rules);
                self.all.push(Item { possible: true, ..item });
            }
        }
    }

    fn add_reported(&mut self, origin: Origin, number: u16, day_ug: Option<i64>, rules: &RuleSet) {
        let mut item = plain(origin, Some(number), day_ug, rules);
        lower_dose(&mut item, rules);
        self.all.push(item);
    }

    fn add_product(
        &mut self,
        origin: Origin,
        code: &ProductCode,
        product: Option<&'a Product>,
        day_units: i64,
        rules: &RuleSet,
        findings: &mut Findings,
    ) {
        let line = match origin {
            Origin::Line(at) => Some(at),
            Origin::Taken(_) | Origin::Breath => None,
        };
        let Some(product) = product else {
            let message = Bilingual::made(
                format!("目录中没有产品 {code}。"),
                format!("The product {code} is not in the catalogue."),
            );
            findings.made("unknown_product", Severity::Unknown, line.as_slice(), message, GAP);
            return;
        };
        let local = product.form.is_local();
        for one in &product.ingredients {
            let number = rules.number(one.code.as_str());
            if number.is_none() {
                let message = Bilingual::made(
                    format!("规则库不认识{}的一种成分。", product.generic_zh),
                    format!("The rules do not know {} in {}.", one.code, product.generic_en),
                );
                findings.made("unknown_ingredient", Severity::Unknown, line.as_slice(), message, GAP);
            }
            let day_ug = per_thousand(one.amount_ug, day_units);
            let mut item =
                Item { product: Some(product), local, ..plain(origin, number, Some(day_ug), rules) };
            item.swallowed &= product.form.is_swallowed();
            for excipient in &product.excipients {
                item.allergy_classes = item.allergy_classes.or(rules.excipient(*excipient));
            }
            if local {
                item.classes = rules.applied(item.classes);
            } else {
                lower_dose(&mut item, rules);
            }
            self.all.push(item);
        }
        if product.contains_alcohol {
            let mut alcohol = ethanol(origin, Some(product), rules);
            if local {
                // On the skin it counts for an allergy only.
                (alcohol.local, alcohol.swallowed, alcohol.classes) = (true, false, Classes::NONE);
            }
            self.all.push(alcohol);
        }
        // A label may warn of sleepiness where no drug in it is known for it.
        if product.sedating && !local {
            let sedating = rules.tables().flagged.sedating;
            let own = |item: &Item<'a>| item.origin == origin;
            let known = self.all.iter().any(|item| own(item) && item.classes.meets(sedating));
            if !known && let Some(first) = self.all.iter_mut().find(|item| own(item)) {
                first.classes = first.classes.or(rules.tables().labelled_sedating);
            }
        }
    }
}

fn unknown_medicine(medicine: &str, formulary: &Formulary, rules: &RuleSet, findings: &mut Findings) {
    let shown: String = medicine.chars().take(60).collect();
    let (zh, en) = did_you_mean(medicine, Asked::Medicine, formulary, rules);
    let message = Bilingual::made(
        format!("规则库不认识“{shown}”，无法判断其相互作用。{zh}"),
        format!("The rules do not know \"{shown}\"; nothing can be said of it.{en}"),
    );
    findings.made("unknown_medicine", Severity::Unknown, &[], message, GAP);
}

/// `amount` per unit times thousandths of a unit, in the unit of `amount`, rounded up.
pub(super) fn per_thousand(amount: i64, units_thousandths: i64) -> i64 {
    let product = i128::from(amount) * i128::from(units_thousandths);
    let rounded = (product + 999).div_euclid(1000);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

fn plain<'a>(origin: Origin, ingredient: Option<u16>, day_ug: Option<i64>, rules: &RuleSet) -> Item<'a> {
    let classes = ingredient.map_or(Classes::NONE, |at| rules.ingredient(at).classes);
    let swallowed = origin != Origin::Breath && !classes.meets(rules.tables().flagged.not_absorbed);
    Item {
        origin,
        ingredient,
        classes,
        allergy_classes: classes,
        local: false,
        swallowed,
        possible: false,
        day_ug,
        product: None,
    }
}

fn ethanol<'a>(origin: Origin, product: Option<&'a Product>, rules: &RuleSet) -> Item<'a> {
    let item = plain(origin, rules.tables().ethanol, None, rules);
    Item { product, ..item }
}

/// A drug that is another kind of drug in a small known dose: aspirin is an antiplatelet then, not a
/// pain reliever.
fn lower_dose(item: &mut Item<'_>, rules: &RuleSet) {
    let low = item.ingredient.and_then(|at| rules.ingredient(at).low_dose);
    if let (Some((most, classes)), Some(day)) = (low, item.day_ug)
        && day <= most
    {
        item.classes = classes;
    }
}
