//! The rule set: the tables of one edition, compiled once so that a check only compares small
//! numbers.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
};

use super::{
    classes::{ClassId, Classes},
    input::Diagnosed,
    items::Item,
    name_index::NameIndex,
    rows::{
        AilmentList, Alias, AllergyRule, ChildDoseRule, Class, ConditionRule, DiagnosisKind, Flagged,
        IngredientFacts, IngredientLimit, PairRule, PeopleRule, Side, Source, SourceId,
    },
    tables::RuleTables,
    thresholds::Thresholds,
};
use crate::{
    formulary::{Excipient, canonical_ingredient},
    words::{Bilingual, kept},
};

/// Which rules concern an ingredient or a class, so that a check does not look at every rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Concerns {
    by_ingredient: Vec<Vec<u16>>,
    by_class: Vec<Vec<u16>>,
}

impl Concerns {
    /// The rules of these sides, by the rule's number; a rule may have several sides.
    fn of<'s>(sides: impl Iterator<Item = (u16, &'s Side)>, ingredients: usize, classes: usize) -> Self {
        let mut concerns =
            Self { by_ingredient: vec![Vec::new(); ingredients], by_class: vec![Vec::new(); classes] };
        let add = |list: &mut Vec<u16>, rule: u16| {
            if list.last() != Some(&rule) {
                list.push(rule);
            }
        };
        for (rule, side) in sides {
            for number in &side.ingredients {
                add(&mut concerns.by_ingredient[usize::from(*number)], rule);
            }
            for class in side.classes.iter() {
                add(&mut concerns.by_class[class.row()], rule);
            }
        }
        concerns
    }

    /// The numbers of the rules of which `item` matches a side; one may come more than once.
    pub(super) fn rules_of(&self, item: &Item<'_>) -> impl Iterator<Item = usize> {
        let number = item.ingredient.filter(|_| !item.local);
        let own = number.map_or(&[][..], |number| &self.by_ingredient[usize::from(number)]);
        let of_classes = item.classes.iter().flat_map(|class| &self.by_class[class.row()]);
        own.iter().chain(of_classes).map(|rule| usize::from(*rule))
    }
}

/// The compiled tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Compiled {
    pub(super) sources: Vec<Source>,
    pub(super) classes: Vec<Class>,
    pub(super) flagged: Flagged,
    pub(super) ingredients: Vec<IngredientFacts>,
    pub(super) index: HashMap<String, u16>,
    pub(super) limits: Vec<Option<IngredientLimit>>,
    pub(super) pairs: Vec<PairRule>,
    pub(super) people: Vec<PeopleRule>,
    pub(super) conditions: Vec<ConditionRule>,
    pub(super) allergies: Vec<AllergyRule>,
    pub(super) allergy_names: HashMap<String, usize>,
    pub(super) diagnoses: Vec<DiagnosisKind>,
    pub(super) ailments: Vec<(AilmentList, DiagnosisKind)>,
    /// By ingredient.
    pub(super) child_doses: HashMap<u16, Vec<ChildDoseRule>>,
    pub(super) aliases: Vec<Alias>,
    /// The aliases by name.
    pub(super) alias_names: HashMap<String, usize>,
    /// All names that people could have meant; built when the first unknown name is met.
    pub(super) name_index: Arc<OnceLock<NameIndex>>,
    pub(super) pair_concerns: Concerns,
    pub(super) people_concerns: Concerns,
    /// The pair rules about any drug that is swallowed.
    pub(super) pairs_of_any: Vec<u16>,
    /// The class of products whose label warns of sleepiness.
    pub(super) labelled_sedating: Classes,
    /// The classes of excipients, in the order of [`Excipient::ALL`].
    pub(super) excipients: Vec<Classes>,
    /// The number of ethanol, which the breath test and tinctures count as.
    pub(super) ethanol: Option<u16>,
}

/// All rules of one edition. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// The version of the edition, named in every report.
    pub edition: String,
    pub thresholds: Thresholds,
    compiled: Arc<Compiled>,
}

static SHIPPED: LazyLock<RuleSet> = LazyLock::new(|| {
    RuleSet::from_tables(&RuleTables::SHIPPED).map(RuleSet::kept).unwrap_or_else(|faults| {
        let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
        // A test shows that there is none.
        panic!("the shipped rules:\n{}", listed.join("\n"))
    })
});

impl RuleSet {
    /// Whether a list of `ailments` holds this diagnosis.
    pub fn lists(&self, list: AilmentList, diagnosis: &Diagnosed) -> bool {
        let of_list = self.compiled.ailments.iter().filter(|(of, _)| *of == list);
        of_list.into_iter().any(|(_, kind)| kind.names(diagnosis))
    }

    /// The edition that ships with the program; loaded once.
    pub fn standard() -> Self {
        SHIPPED.clone()
    }

    pub(super) fn compiled(edition: String, thresholds: Thresholds, mut compiled: Compiled) -> Self {
        let (ingredients, classes) = (compiled.ingredients.len(), compiled.classes.len());
        let pairs = (0u16..).zip(&compiled.pairs);
        let sides = pairs.flat_map(|(at, rule)| [(at, &rule.left), (at, &rule.right)]);
        let of_any = (0u16..).zip(&compiled.pairs).filter(|(_, rule)| rule.left.any || rule.right.any);
        compiled.pairs_of_any = of_any.map(|(row, _)| row).collect();
        compiled.pair_concerns = Concerns::of(sides, ingredients, classes);
        let sides = (0u16..).zip(compiled.people.iter().map(|rule| &rule.who));
        compiled.people_concerns = Concerns::of(sides, ingredients, classes);
        let named = |id: &str| {
            let at = compiled.classes.iter().position(|class| class.id == id).and_then(ClassId::of_row);
            let mut classes = Classes::NONE;
            at.into_iter().for_each(|class| classes.add(class));
            classes
        };
        compiled.labelled_sedating = named("labelled_sedating");
        compiled.excipients = Excipient::ALL.iter().map(|one| named(one.as_str())).collect();
        compiled.ethanol = compiled.index.get("ethanol").copied();
        Self { edition, thresholds, compiled: Arc::new(compiled) }
    }

    /// What is known of the ingredient `code`, aliases included.
    pub fn facts(&self, code: &str) -> Option<&IngredientFacts> {
        self.number(code).map(|at| self.ingredient(at))
    }

    /// Every ingredient that the rules contain.
    pub fn ingredients(&self) -> &[IngredientFacts] {
        &self.compiled.ingredients
    }

    /// The limit of the ingredient `code` across all products, if there is one.
    pub(crate) fn limit_of(&self, code: &str) -> Option<&IngredientLimit> {
        self.limit(self.number(code)?)
    }

    /// The number of the ingredient `code`, in any of its spellings.
    pub(super) fn number(&self, code: &str) -> Option<u16> {
        let plain = self.compiled.index.get(code);
        plain.or_else(|| self.compiled.index.get(canonical_ingredient(code)?)).copied()
    }

    pub(super) fn ingredient(&self, number: u16) -> &IngredientFacts {
        &self.compiled.ingredients[usize::from(number)]
    }

    pub(super) fn limit(&self, ingredient: u16) -> Option<&IngredientLimit> {
        self.compiled.limits.get(usize::from(ingredient))?.as_ref()
    }

    pub(super) fn tables(&self) -> &Compiled {
        &self.compiled
    }

    /// The same rules, whose texts are kept for as long as the program runs, so that a finding can name them
    /// without a copy. For rules that are in force, not for those that somebody only tries.
    pub fn kept(mut self) -> Self {
        let compiled = Arc::make_mut(&mut self.compiled);
        let pairs = compiled.pairs.iter_mut().map(|rule| &mut rule.says);
        for says in pairs.chain(compiled.people.iter_mut().map(|rule| &mut rule.says)) {
            says.id = Cow::Borrowed(kept(&says.id));
            says.sentence = Bilingual::kept(&says.sentence);
        }
        for source in &mut compiled.sources {
            source.cite = Cow::Borrowed(kept(&source.cite));
        }
        self
    }

    /// What a finding cites.
    pub(super) fn cite(&self, source: SourceId) -> &str {
        self.compiled.sources.get(usize::from(source)).map_or("", |source| &source.cite)
    }

    /// As [`Self::cite`], for the finding.
    pub(super) fn cited(&self, source: SourceId) -> Cow<'static, str> {
        self.compiled.sources.get(usize::from(source)).map(|source| source.cite.clone()).unwrap_or_default()
    }

    /// The class of an excipient, as a set.
    pub(super) fn excipient(&self, excipient: Excipient) -> Classes {
        let at = Excipient::ALL.iter().position(|one| *one == excipient);
        at.and_then(|at| self.compiled.excipients.get(at)).copied().unwrap_or(Classes::NONE)
    }

    /// The classes that a product with drugs of `classes` has where it is applied.
    pub(super) fn applied(&self, classes: Classes) -> Classes {
        let mut applied = Classes::NONE;
        for class in classes.iter().filter_map(|class: ClassId| self.compiled.classes[class.row()].applied_as)
        {
            applied.add(class);
        }
        applied
    }
}

impl Default for RuleSet {
    fn default() -> Self {
        Self::standard()
    }
}
