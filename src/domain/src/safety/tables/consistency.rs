//! Compares the rows of an edition with each other: no two contradict, each can fire, and nothing
//! of the never-list is given a dose.

use std::collections::{HashMap, HashSet};

use super::{
    fault::RuleFaultCode::{Contradiction, Invalid, Missing, NeverFires, NeverList},
    reader::Faults,
};
use crate::{
    formulary::never_ingredient,
    safety::{
        classes::{ClassId, Classes},
        profile_test::ProfileTest,
        report::Severity,
        rows::{
            AllergyRule, Class, ConditionRule, Flagged, IngredientFacts, IngredientLimit, PairRule,
            PeopleRule, Side, When,
        },
    },
};

/// What was read of the tables.
pub(super) struct Read<'a> {
    pub(super) classes: &'a [Class],
    pub(super) flagged: &'a Flagged,
    pub(super) ingredients: &'a [IngredientFacts],
    pub(super) limits: &'a [(u16, u64, IngredientLimit)],
    pub(super) pairs: &'a [PairRule],
    pub(super) people: &'a [PeopleRule],
    pub(super) conditions: &'a [ConditionRule],
    pub(super) allergies: &'a [AllergyRule],
}

pub(super) fn check(read: &Read<'_>, faults: &mut Faults) {
    let members = Members::of(read);
    check_never_list(read, faults);
    check_pairs(read, &members, faults);
    check_people(read, &members, faults);
    check_conditions(read, faults);
    for rule in read.allergies {
        for class in rule.blocks.or(rule.warns).iter().filter(|class| !members.has(*class)) {
            never_fires("allergies", rule.line, "blocks", &read.classes[class.row()], faults);
        }
    }
    check_classes(read, faults);
    if read.ingredients.iter().all(|one| one.code != "ethanol") {
        let (zh, en) = (
            "缺少 ethanol（酒精），呼气试验以它记入",
            "there is no row ethanol, which stands for the breath test",
        );
        faults.at(("ingredients", 1), "code", Missing, zh, en);
    }
}

/// A class that no rule names and no flag marks does nothing.
fn check_classes(read: &Read<'_>, faults: &mut Faults) {
    let flagged = read.flagged;
    let mut used = [
        flagged.one_at_a_time,
        flagged.shared_allergy,
        flagged.sedating,
        flagged.raises_pressure,
        flagged.not_absorbed,
        flagged.never,
        flagged.excipient,
        flagged.of_product,
    ]
    .into_iter()
    .fold(Classes::NONE, Classes::or);
    let mut name = |classes: Classes| used = used.or(classes);
    for rule in read.pairs {
        name(rule.left.classes.or(rule.right.classes));
        if let When::With(class) = rule.when {
            let mut third = Classes::NONE;
            third.add(class);
            name(third);
        }
    }
    read.people.iter().for_each(|rule| name(rule.who.classes));
    read.allergies.iter().for_each(|rule| name(rule.blocks.or(rule.warns)));
    read.classes.iter().for_each(|class| name(class.cross_reacts));
    for (at, class) in read.classes.iter().enumerate() {
        if ClassId::of_row(at).is_some_and(|number| !used.has(number)) && class.cross_reacts.is_empty() {
            let (zh, en) = ("没有规则用到该分类", "no rule names this class");
            faults.at(("classes", class.line), "id", NeverFires, zh, en);
        }
    }
}

/// Which things a class or a side stands for. A thing is an ingredient, as taken in one way.
struct Members {
    /// By class: the things of it.
    by_class: Vec<HashSet<(u16, Way)>>,
    /// The ingredients that are another kind of drug in a low dose.
    low: HashSet<u16>,
    /// The classes that products declare.
    excipient: Classes,
    /// How many ingredients there are.
    ingredients: u16,
}

/// How an ingredient is taken: that decides its classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    Usual,
    LowDose,
    Applied,
}

impl Members {
    fn of(read: &Read<'_>) -> Self {
        let (mut by_class, mut low) = (vec![HashSet::new(); read.classes.len()], HashSet::new());
        for (number, one) in (0u16..).zip(read.ingredients) {
            let mut add = |classes: Classes, way: Way| {
                for class in classes.iter() {
                    by_class[class.row()].insert((number, way));
                }
            };
            add(one.classes, Way::Usual);
            if let Some((_, classes)) = one.low_dose {
                add(classes, Way::LowDose);
                low.insert(number);
            }
            let mut applied = Classes::NONE;
            for class in one.classes.iter().filter_map(|class| read.classes[class.row()].applied_as) {
                applied.add(class);
            }
            add(applied, Way::Applied);
        }
        Self {
            by_class,
            low,
            excipient: read.flagged.excipient.or(read.flagged.of_product),
            ingredients: u16::try_from(read.ingredients.len()).unwrap_or(u16::MAX),
        }
    }

    fn has(&self, class: ClassId) -> bool {
        !self.by_class[class.row()].is_empty() || self.excipient.has(class)
    }

    /// All things that a side stands for.
    fn of_side(&self, side: &Side) -> HashSet<(u16, Way)> {
        if side.any {
            return (0..self.ingredients).map(|number| (number, Way::Usual)).collect();
        }
        let usual = side.ingredients.iter().map(|number| (*number, Way::Usual));
        let low = side.ingredients.iter().filter(|number| self.low.contains(number));
        let named = usual.chain(low.map(|number| (*number, Way::LowDose)));
        named
            .chain(side.classes.iter().flat_map(|class| self.by_class[class.row()].iter().copied()))
            .collect()
    }
}

fn never_fires(table: &'static str, line: u64, field: &'static str, class: &Class, faults: &mut Faults) {
    let (zh, en) =
        (format!("分类 {} 没有成分", class.id), format!("no ingredient is of the class {}", class.id));
    faults.at((table, line), field, NeverFires, zh, en);
}

fn check_never_list(read: &Read<'_>, faults: &mut Faults) {
    let never = |number: u16| {
        let one = &read.ingredients[usize::from(number)];
        one.classes.meets(read.flagged.never) || never_ingredient(&one.code)
    };
    for (number, line, limit) in read.limits {
        if never(*number) {
            let (zh, en) = ("此处不得开具，不设剂量", "is never prescribed here and has no dose");
            faults.at(
                ("limits", *line),
                "ingredient",
                NeverList,
                format!("{}：{zh}", limit.code),
                format!("{} {en}", limit.code),
            );
        }
    }
    for one in read.ingredients {
        if never_ingredient(&one.code) && !one.classes.meets(read.flagged.never) {
            let (zh, en) =
                ("属禁开药品，须标 never 分类", "is on the never-list and needs a class with the flag never");
            faults.at(
                ("ingredients", one.line),
                "classes",
                NeverList,
                format!("{}：{zh}", one.code),
                format!("{} {en}", one.code),
            );
        }
    }
}

fn check_side(
    table: &'static str,
    line: u64,
    field: &'static str,
    side: &Side,
    read: &Read<'_>,
    members: &Members,
    faults: &mut Faults,
) {
    for class in side.classes.iter().filter(|class| !members.has(*class)) {
        never_fires(table, line, field, &read.classes[class.row()], faults);
    }
}

/// The single names of a side, as a key: classes are below zero.
fn single_names(side: &Side) -> Vec<i32> {
    let classes = side.classes.iter().map(|class| -1 - i32::try_from(class.row()).unwrap_or(0));
    let any = side.any.then_some(i32::MAX);
    side.ingredients.iter().map(|number| i32::from(*number)).chain(classes).chain(any).collect()
}

fn check_pairs(read: &Read<'_>, members: &Members, faults: &mut Faults) {
    let mut said: HashMap<(i32, i32, String), &PairRule> = HashMap::new();
    for rule in read.pairs {
        let line = rule.says.line;
        check_side("pairs", line, "left", &rule.left, read, members, faults);
        check_side("pairs", line, "right", &rule.right, read, members, faults);
        if let When::With(class) = rule.when
            && !members.has(class)
        {
            never_fires("pairs", line, "when", &read.classes[class.row()], faults);
        }
        let only = |side: &Side| match (side.ingredients.as_slice(), side.classes.is_empty()) {
            ([one], true) => Some(*one),
            _ => None,
        };
        if only(&rule.left).is_some() && only(&rule.left) == only(&rule.right) {
            let (zh, en) =
                ("同一成分不成对：按总量判断", "the same ingredient twice is no pair: its sum is checked");
            faults.at(("pairs", line), "right", NeverFires, zh, en);
        }
        for left in single_names(&rule.left) {
            for right in single_names(&rule.right) {
                let key = (left.min(right), left.max(right), format!("{:?}", rule.when));
                match said.get(&key) {
                    Some(before) if before.says.severity != rule.says.severity => {
                        contradiction("pairs", line, &before.says.id, before.says.line, faults);
                    }
                    Some(_) => {}
                    None => {
                        said.insert(key, rule);
                    }
                }
            }
        }
    }
    let expanded: Vec<_> =
        read.pairs.iter().map(|rule| (members.of_side(&rule.left), members.of_side(&rule.right))).collect();
    for (at, rule) in read.pairs.iter().enumerate() {
        let (left, right) = &expanded[at];
        if left.is_empty() || right.is_empty() {
            continue;
        }
        let shadow = read.pairs.iter().enumerate().find(|(other_at, other)| {
            let (other_left, other_right) = &expanded[*other_at];
            let within = (left.is_subset(other_left) && right.is_subset(other_right))
                || (left.is_subset(other_right) && right.is_subset(other_left));
            let as_often = other.when == When::Always || other.when == rule.when;
            let weaker = rule.says.severity < other.says.severity
                || (rule.says.severity == other.says.severity && *other_at < at);
            *other_at != at && within && as_often && weaker && says_the_same(rule, other)
        });
        if let Some((_, other)) = shadow {
            shadowed("pairs", rule.says.line, &other.says.id, faults);
        }
    }
}

/// A weaker rule adds nothing where a stronger one always applies; a second rule of the same severity
/// may name another mechanism, unless it is the same sentence.
fn says_the_same(rule: &PairRule, other: &PairRule) -> bool {
    rule.says.severity < other.says.severity || rule.says.sentence == other.says.sentence
}

fn contradiction(table: &'static str, line: u64, other: &str, other_line: u64, faults: &mut Faults) {
    let zh = format!("与第 {other_line} 行 {other} 条件相同而严重程度不同");
    let en = format!("the same case as {other} in line {other_line}, with another severity");
    faults.at((table, line), "severity", Contradiction, zh, en);
}

fn shadowed(table: &'static str, line: u64, other: &str, faults: &mut Faults) {
    let (zh, en) =
        (format!("{other} 总已给出同等或更严重的结论"), format!("{other} always says as much or more"));
    faults.at((table, line), "row", NeverFires, zh, en);
}

fn check_people(read: &Read<'_>, members: &Members, faults: &mut Faults) {
    let mut said: HashMap<(i32, String), &PeopleRule> = HashMap::new();
    for rule in read.people {
        let line = rule.says.line;
        check_side("people", line, "who", &rule.who, read, members, faults);
        empty_test("people", line, "test", rule.test, faults);
        for name in single_names(&rule.who) {
            let key = (name, format!("{:?} {:?}", rule.test, rule.above_day_ug));
            match said.get(&key) {
                Some(before) if before.says.severity != rule.says.severity => {
                    contradiction("people", line, &before.says.id, before.says.line, faults);
                }
                Some(_) => {}
                None => {
                    said.insert(key, rule);
                }
            }
        }
    }
    for (at, rule) in read.people.iter().enumerate() {
        let who = members.of_side(&rule.who);
        if who.is_empty() {
            continue;
        }
        let shadow = read.people.iter().enumerate().find(|(other_at, other)| {
            let stronger = rule.says.severity < other.says.severity
                || (rule.says.severity == other.says.severity && (rule.test != other.test || *other_at < at));
            let as_often =
                other.above_day_ug.is_none_or(|most| rule.above_day_ug.is_some_and(|own| own >= most));
            let covers_missing =
                rule.missing.is_none_or(|own| other.missing.is_some_and(|theirs| theirs >= own));
            *other_at != at
                && stronger
                && as_often
                && covers_missing
                && rule.test.implies(other.test)
                && who.is_subset(&members.of_side(&other.who))
        });
        if let Some((_, other)) = shadow {
            shadowed("people", rule.says.line, &other.says.id, faults);
        }
    }
}

fn empty_test(table: &'static str, line: u64, field: &'static str, test: ProfileTest, faults: &mut Faults) {
    if test.is_empty() {
        faults.at((table, line), field, NeverFires, "区间为空", "no value is within the bounds");
    }
}

fn check_conditions(read: &Read<'_>, faults: &mut Faults) {
    for (at, rule) in read.conditions.iter().enumerate() {
        empty_test("conditions", rule.line, "fact", rule.fact, faults);
        if rule.fact == ProfileTest::Has(rule.condition) {
            let (zh, en) = ("该病本身总是禁忌", "the condition itself always blocks");
            faults.at(("conditions", rule.line), "fact", NeverFires, zh, en);
        }
        if matches!(rule.severity, Severity::Note | Severity::Unknown) {
            let (zh, en) = ("只能是 warn 或 block", "only warn or block");
            faults.at(("conditions", rule.line), "severity", Invalid, zh, en);
        }
        let mut before = read.conditions[..at].iter();
        if let Some(other) = before.find(|other| other.condition == rule.condition && other.fact == rule.fact)
        {
            contradiction("conditions", rule.line, other.condition.as_str(), other.line, faults);
        }
    }
}
