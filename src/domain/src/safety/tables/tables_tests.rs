//! Every kind of fault, one edit of the shipped tables each.

use super::*;

/// The faults after `from` in one table became `to`, as table, field and code.
fn faults(table: &str, from: &str, to: &str) -> Vec<(String, String)> {
    let mut tables = RuleTables::SHIPPED;
    let text = match table {
        "edition" => &mut tables.edition,
        "sources" => &mut tables.sources,
        "classes" => &mut tables.classes,
        "ingredients" => &mut tables.ingredients,
        "thresholds" => &mut tables.thresholds,
        "limits" => &mut tables.limits,
        "pairs" => &mut tables.pairs,
        "people" => &mut tables.people,
        "conditions" => &mut tables.conditions,
        "allergies" => &mut tables.allergies,
        "aliases" => &mut tables.aliases,
        "diagnoses" => &mut tables.diagnoses,
        "child_doses" => &mut tables.child_doses,
        "ailments" => &mut tables.ailments,
        other => panic!("{other}"),
    };
    assert!(text.contains(from), "{table}: {from}");
    let edited = text.replacen(from, to, 1);
    let line = edited.lines().position(|line| !text.contains(line)).map_or(0, |at| at as u64 + 1);
    *text = &edited;
    let Err(faults) = RuleSet::from_tables(&tables) else { return Vec::new() };
    let seen: Vec<_> = faults.iter().map(|one| (one.field.to_owned(), one.code.to_string())).collect();
    let here = faults.iter().any(|one| one.table == table && one.line == line);
    assert!(here || line == 0, "{table} line {line}: {faults:#?}");
    for fault in &faults {
        assert!(!fault.message.zh.is_empty() && !fault.message.en.is_empty() && !fault.message.zh.is_ascii());
        assert!(fault.to_string().contains(fault.table));
    }
    seen
}

/// `from` became `to`, and exactly this is wrong.
#[track_caller]
fn only(table: &str, (from, to): (&str, &str), field: &str, code: RuleFaultCode) {
    let seen = faults(table, from, to);
    assert!(seen.contains(&(field.to_owned(), code.to_string())), "{table} {from} -> {to}: {seen:?}");
    assert_eq!(seen.len(), 1, "{table} {from} -> {to}: {seen:?}");
}

/// A row more at the end of a table.
fn appended<'t>(table: &'t str, row: &'t str) -> (String, String) {
    let last = table.trim_end().lines().last().expect("rows");
    (format!("{last}\n"), format!("{last}\n{row}\n"))
}

#[track_caller]
fn more(table: &str, text: &str, row: &str, field: &str, code: RuleFaultCode) {
    let (from, to) = appended(text, row);
    only(table, (&from, &to), field, code);
}

use RuleFaultCode::{
    Contradiction, Duplicate, Invalid, Missing, NeverFires, NeverList, NoSource, UnknownName, Unreadable,
};

const SHIPPED: RuleTables<'static> = RuleTables::SHIPPED;

#[test]
fn the_shipped_tables_have_no_fault() {
    let rules = RuleSet::from_tables(&SHIPPED).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert!(rules.edition.starts_with("safety-"));
    assert_eq!(rules.facts("扑热息痛").map(|facts| facts.code.as_str()), Some("paracetamol"));
    assert!(rules.facts("unobtainium").is_none());
}

#[test]
fn files_must_have_their_columns() {
    only("pairs", ("id,left,right", "id,links,right"), "row", Unreadable);
    only("edition", ("version,zh,en", "version,zh"), "row", Unreadable);
    only("pairs", ("two_nsaids,class:nsaid,", "two_nsaids,"), "row", Unreadable);
    let mut tables = SHIPPED;
    tables.limits = "";
    let faults = RuleSet::from_tables(&tables).expect_err("no table");
    assert_eq!((faults[0].table, faults[0].code), ("limits", Unreadable));
}

#[test]
fn names_must_exist_and_ids_be_unique() {
    only("pairs", ("two_nsaids,class:nsaid", "two_nsaids,class:nsaids"), "left", UnknownName);
    only(
        "people",
        ("metformin_dehydrated,metformin,", "metformin_dehydrated,metforming,"),
        "who",
        UnknownName,
    );
    only("limits", ("smectite,", "smectitt,"), "ingredient", UnknownName);
    only("ingredients", ("smectite,not_absorbed", "smectite,not_absorbing"), "classes", UnknownName);
    only("ingredients", ("rebamipide,", "rebamipidum,"), "code", UnknownName);
    only(
        "allergies",
        (",penicillin;side_chain_amino,", ",penicilin;side_chain_amino,"),
        "blocks",
        UnknownName,
    );
    only("classes", ("one_at_a_time,,,atc\narb", "one_at_once,,,atc\narb"), "flags", UnknownName);
    only("pairs", ("with:diuretic", "with:diuretics"), "when", Invalid);
    more("pairs", SHIPPED.pairs, "two_nsaids,ibuprofen,lithium,always,warn,default,布,x", "id", Duplicate);
    more("limits", SHIPPED.limits, "ibuprofen,,,,1200,,,no,cn_ibuprofen", "ingredient", Duplicate);
    more("allergies", SHIPPED.allergies, "again,penicillins,penicillin,,default", "names", Duplicate);
}

#[test]
fn cells_have_a_form() {
    only("pairs", ("always,block", "always,stop"), "severity", Invalid);
    only("pairs", ("left_above_day_mg:20", "left_above_day_mg:-20"), "when", Invalid);
    only("people", ("egfr_below:30", "egfr_below:thirty"), "test", Invalid);
    only("people", ("has:long_qt", "has:long_qtc"), "test", Invalid);
    only("limits", ("2000,5,3,yes", "2000,5,3,perhaps"), "only_one_product", Invalid);
    only("limits", ("2000,5,3,yes", "2000,3,5,yes"), "fever_days", Invalid);
    only("limits", ("smectite,6000,,3,9000", "smectite,,,3,9OOO"), "day_mg", Invalid);
    only("limits", ("smectite,6000", "smectite,10000"), "dose_mg", Invalid);
    only("thresholds", ("severe_systolic,180", "severe_systolic,high"), "value", Invalid);
    let seen = faults("thresholds", "small_child_below_years", "small_child_years");
    assert_eq!(seen, [("id".into(), "unknown_name".into()), ("id".into(), "missing".into())]);
    only("allergies", ("penicillin;benzylpenicillin;", "Penicillin;benzylpenicillin;"), "names", Invalid);
    only("diagnoses", ("commoncold", "common cold"), "words", Invalid);
    only("ailments", ("hypertension,long_term", "hypertension,for_ever"), "list", Invalid);
    only("ailments", ("稳定型心绞痛", "稳定型 心绞痛"), "words", Invalid);
    only("people", ("treats:influenza", "treats:flu"), "test", Invalid);
    only("people", ("skin_test_older:72", "skin_test_older:0"), "test", Invalid);
    only(
        "child_doses",
        ("loratadine_heavy,loratadine,2,", "loratadine_heavy,loratadine,two,"),
        "from_years",
        Invalid,
    );
    only("child_doses", ("paracetamol,6,,,250,1000,", "paracetamol,6,,,250,,"), "day_mg", Missing);
    only("child_doses", ("loratadine,2,,30,", "loratadine,2,30,30,"), "up_to_kg", Invalid);
    only("child_doses", ("0.8,1.6,cn_ambroxol_child", "0.8,1.6,default"), "source", NoSource);
    only("aliases", ("tylenol_cold,drug,", "tylenol_cold,brand,"), "kind", Invalid);
    only("aliases", (";bayaspirin;", ";Bayaspirin;"), "names", Invalid);
    only(
        "aliases",
        ("bayaspirin;小阿司匹林,aspirin,", "bayaspirin;小阿司匹林,class:nsaid,"),
        "means",
        Invalid,
    );
    only(
        "aliases",
        ("bayaspirin;小阿司匹林,aspirin,", "bayaspirin;小阿司匹林,asprin,"),
        "means",
        UnknownName,
    );
    only("aliases", ("小阿司匹林,aspirin", "泰诺,aspirin"), "names", Duplicate);
    only("aliases", ("拜阿司匹灵（阿司匹林）", ""), "zh", Missing);
    only(
        "conditions",
        ("has:severe_liver_disease,block", "has:severe_liver_disease,note"),
        "severity",
        Invalid,
    );
}

#[test]
fn sentences_are_in_both_languages_and_the_chinese_one_is_chinese() {
    only("pairs", ("不得同时使用两种非甾体抗炎药。", ""), "zh", Missing);
    only("pairs", ("Two NSAIDs may not be taken together.", ""), "en", Missing);
    only("pairs", ("不得同时使用两种非甾体抗炎药。", "不得同时使用 ibuprofen。"), "zh", Invalid);
}

#[test]
fn what_contradicts_is_refused() {
    let row = "sv,simvastatin;pravastatin,erythromycin,always,warn,default,说法,words";
    more("pairs", SHIPPED.pairs, row, "severity", Contradiction);
    let row = "again,class:qt_drug,class:qt_drug,always,warn,default,说法,words";
    let seen = faults_of("pairs", SHIPPED.pairs, row);
    assert!(seen.contains(&("severity".into(), "contradiction".into())), "{seen:?}");
    let row = "mf,metformin,egfr_below:30,,warn,,default,说法,words";
    let seen = faults_of("people", SHIPPED.people, row);
    assert!(seen.contains(&("severity".into(), "contradiction".into())), "{seen:?}");
    let row = "liver_again,liver_disease,has:severe_liver_disease,warn,default";
    more("conditions", SHIPPED.conditions, row, "severity", Contradiction);
}

fn faults_of(table: &str, text: &str, row: &str) -> Vec<(String, String)> {
    let (from, to) = appended(text, row);
    faults(table, &from, &to)
}

#[test]
fn what_can_never_fire_is_refused() {
    let empty = "empty_class,空类,a class of nothing,,,,default";
    let (from, to) = appended(SHIPPED.classes, empty);
    let mut tables = SHIPPED;
    let classes = SHIPPED.classes.replacen(&from, &to, 1);
    tables.classes = &classes;
    for (table, row) in [
        ("pairs", "none,class:empty_class,ibuprofen,always,warn,default,说法,words"),
        ("pairs", "none,ibuprofen,paracetamol,with:empty_class,warn,default,说法,words"),
        ("people", "none,class:empty_class,at_height,,warn,,default,说法,words"),
        ("allergies", "none,nothing,empty_class,,default"),
    ] {
        let mut tables = tables;
        let text = match table {
            "pairs" => &mut tables.pairs,
            "people" => &mut tables.people,
            _ => &mut tables.allergies,
        };
        let longer = format!("{}\n{row}\n", text.trim_end());
        *text = &longer;
        let faults = RuleSet::from_tables(&tables).expect_err(row);
        assert_eq!((faults.len(), faults[0].table, faults[0].code), (1, table, NeverFires), "{faults:?}");
        assert_eq!(faults[0].line, longer.lines().count() as u64);
    }
    let same = "same,ibuprofen,ibuprofen,always,warn,default,说法,words";
    assert!(faults_of("pairs", SHIPPED.pairs, same).contains(&("right".into(), "never_fires".into())));
    // Shadowed: two NSAIDs block already.
    more("pairs", SHIPPED.pairs, "weak,ibuprofen,naproxen,always,warn,default,说法,words", "row", NeverFires);
    more(
        "people",
        SHIPPED.people,
        "weak,metformin,egfr_below:20,,warn,,default,说法,words",
        "row",
        NeverFires,
    );
    // Empty intervals.
    only("people", ("egfr_new:30-44", "egfr_new:45-44"), "test", NeverFires);
    only("people", ("egfr_below:30", "egfr_below:0"), "test", NeverFires);
    let seen = faults("people", "pressure_from:160/100", "pressure_from:100/160");
    assert!(seen.contains(&("test".into(), "never_fires".into())), "{seen:?}");
    only("conditions", ("filtration_below:60", "filtration_below:0"), "fact", NeverFires);
    only("conditions", ("liver_disease,has:severe_", "liver_disease,has:"), "fact", NeverFires);
    only("thresholds", ("may_be_pregnant_to_years,55", "may_be_pregnant_to_years,11"), "value", Invalid);
}

#[test]
fn a_maximum_needs_a_source_that_was_read() {
    only("limits", ("yes,cn_paracetamol;cn_paracetamol_days", "yes,"), "source", Missing);
    only("limits", ("yes,cn_paracetamol;cn_paracetamol_days", "yes,nobody"), "source", NoSource);
    for unread in ["default", "clinical_drugs", "cn_paracetamol;clinical_drugs"] {
        only(
            "limits",
            ("yes,cn_paracetamol;cn_paracetamol_days", &format!("yes,{unread}")),
            "source",
            NoSource,
        );
    }
    let smectite = "read,蒙脱石散说明书,m.dazhong.com/drug/8088,用法用量";
    for unreal in [
        "read,nobody,m.dazhong.com,用法用量",
        "read,n/a,n/a,n/a",
        "read,\"Waystation clinical rules, drugs table\",Waystation,drugs table",
        "read,说明书，待定,m.dazhong.com,用法用量",
        "read,Our house rules label 3,somebody,page 4",
    ] {
        only("sources", (smectite, unreal), "title", NoSource);
    }
    only("sources", ("口服，成人每次1袋（3克），一日3次。", ""), "excerpt", NoSource);
    let long = "口服".repeat(101);
    only("sources", ("口服，成人每次1袋（3克），一日3次。", &long), "excerpt", Invalid);
    let seen = faults("sources", "cn_smectite,read", "cn_smectite,unconfirmed");
    assert_eq!(seen, [("standing".into(), "invalid".into()), ("source".into(), "no_source".into())]);
    only("sources", (",用法用量,2024,其他感染", ",用法用量,24,其他感染"), "year", Invalid);
    only("pairs", ("block,uk_ibuprofen_nsaid,不得同时", "block,uk_nobody,不得同时"), "source", NoSource);
    only("people", ("warn,,cn_cetirizine,肾功能损害者西替", "warn,,,肾功能损害者西替"), "source", Missing);
}

#[test]
fn the_never_list_holds_for_rules() {
    more("limits", SHIPPED.limits, "warfarin,,,,10,,,no,cn_smectite", "ingredient", NeverList);
    only("ingredients", ("warfarin,never", "warfarin,"), "classes", NeverList);
    only("ingredients", ("codeine,never", "codeine,"), "classes", NeverList);
}

#[test]
fn all_faults_are_reported_at_once() {
    let mut tables = SHIPPED;
    let pairs = SHIPPED.pairs.replace("always,block", "always,stop");
    let people = SHIPPED.people.replacen("has:long_qt", "has:long", 1);
    (tables.pairs, tables.people) = (&pairs, &people);
    let faults = RuleSet::from_tables(&tables).expect_err("faults");
    assert_eq!(faults.len(), SHIPPED.pairs.matches("always,block").count() + 1);
}

/// Whoever tries tables again and again must not fill the memory.
#[test]
fn only_rules_in_force_keep_their_texts() {
    let tried = RuleSet::from_tables(&RuleTables::SHIPPED).expect("the shipped rules");
    let is_kept = |rules: &RuleSet| {
        let (pair, source) = (&rules.tables().pairs[0].says, &rules.tables().sources[0]);
        [&pair.id, &pair.sentence.zh, &source.cite].map(|text| matches!(text, std::borrow::Cow::Borrowed(_)))
    };
    assert_eq!(is_kept(&tried), [false; 3]);
    assert_eq!(is_kept(&tried.kept()), [true; 3]);
    assert_eq!(is_kept(&RuleSet::standard()), [true; 3]);
}
