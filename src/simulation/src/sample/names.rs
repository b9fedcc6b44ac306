//! Invented names. Characters are combined at random, so that no name refers to a particular person.

use rand::{Rng, seq::IndexedRandom};

const SURNAMES: &[(&str, &str)] = &[
    ("王", "Wang"),
    ("李", "Li"),
    ("张", "Zhang"),
    ("刘", "Liu"),
    ("陈", "Chen"),
    ("杨", "Yang"),
    ("赵", "Zhao"),
    ("黄", "Huang"),
    ("周", "Zhou"),
    ("吴", "Wu"),
    ("徐", "Xu"),
    ("孙", "Sun"),
    ("胡", "Hu"),
    ("朱", "Zhu"),
    ("高", "Gao"),
    ("林", "Lin"),
    ("何", "He"),
    ("郭", "Guo"),
    ("马", "Ma"),
    ("罗", "Luo"),
    ("梁", "Liang"),
    ("宋", "Song"),
    ("郑", "Zheng"),
    ("谢", "Xie"),
    ("韩", "Han"),
    ("唐", "Tang"),
    ("冯", "Feng"),
    ("于", "Yu"),
    ("董", "Dong"),
    ("曲", "Qu"),
];

const GIVEN: &[(&str, &str)] = &[
    ("海", "hai"),
    ("山", "shan"),
    ("云", "yun"),
    ("明", "ming"),
    ("春", "chun"),
    ("秋", "qiu"),
    ("松", "song"),
    ("柏", "bai"),
    ("晨", "chen"),
    ("星", "xing"),
    ("雨", "yu"),
    ("雪", "xue"),
    ("岚", "lan"),
    ("波", "bo"),
    ("川", "chuan"),
    ("江", "jiang"),
    ("河", "he"),
    ("石", "shi"),
    ("竹", "zhu"),
    ("梅", "mei"),
    ("荷", "he"),
    ("桐", "tong"),
    ("帆", "fan"),
    ("舟", "zhou"),
    ("青", "qing"),
    ("朗", "lang"),
    ("和", "he"),
    ("宁", "ning"),
    ("康", "kang"),
    ("平", "ping"),
];

/// Names for institutions and firms.
const PLACES: &[(&str, &str)] = &[
    ("海棠", "Haitang"),
    ("银杏", "Yinxing"),
    ("白鹭", "Bailu"),
    ("松涛", "Songtao"),
    ("晨光", "Chenguang"),
    ("听潮", "Tingchao"),
    ("青禾", "Qinghe"),
    ("月湾", "Yuewan"),
    ("望山", "Wangshan"),
    ("桃溪", "Taoxi"),
    ("云帆", "Yunfan"),
    ("灯塔", "Dengta"),
    ("枫桥", "Fengqiao"),
    ("沙丘", "Shaqiu"),
    ("北斗", "Beidou"),
    ("石榴", "Shiliu"),
    ("鸥岛", "Oudao"),
    ("麦浪", "Mailang"),
    ("春水", "Chunshui"),
    ("百川", "Baichuan"),
];

/// A person's name in Chinese and in pinyin, surname first.
pub(super) fn person(random: &mut impl Rng) -> (String, String) {
    let surname = pick(SURNAMES, random);
    let first = pick(GIVEN, random);
    if random.random_ratio(1, 5) {
        return (format!("{}{}", surname.0, first.0), format!("{} {}", surname.1, capital(first.1)));
    }
    let second = pick(GIVEN, random);
    (
        format!("{}{}{}", surname.0, first.0, second.0),
        format!("{} {}{}", surname.1, capital(first.1), second.1),
    )
}

/// A member of staff: both names, marked as a sample.
pub(super) fn staff(random: &mut impl Rng) -> (String, String) {
    let (zh, en) = person(random);
    (format!("样例·{zh}"), format!("{en} (sample)"))
}

/// A name for an institution or a firm.
pub(super) fn place(random: &mut impl Rng) -> (&'static str, &'static str) {
    pick(PLACES, random)
}

fn pick<T: Copy>(from: &[T], random: &mut impl Rng) -> T {
    *from.choose(random).expect("the lists of names are not empty")
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
