//! Normalization of text: full-width letters, Cyrillic and Greek letters that look like Latin ones,
//! capitals, and traditional characters that occur in names of drugs.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Pairs of a traditional character and its simplified form.
const TRADITIONAL: &str = "\
華华嗎吗馬马黃黄偽伪鹼碱硷碱對对醯酰無无雙双環环紅红黴霉頭头鹽盐氫氢鈉钠鉀钾鈣钙鎂镁鋅锌\
鋁铝鋰锂鐵铁銀银銅铜鉍铋錠锭膠胶顆颗針针劑剂靜静脈脉複复復复腦脑腎肾維维羅罗諾诺達达蘭兰\
療疗癲癫癇痫經经絡络葉叶絲丝蘇苏樂乐爾尔來来萊莱賽赛倫伦儂侬費费賓宾賁贲貝贝韋韦寧宁鄰邻\
噁恶佈布連连鎮镇藥药傷伤風风熱热濕湿參参蘆芦薈荟醫医過过癥症鬆松強强懷怀離离齊齐鈦钛鉑铂\
鎘镉爐炉滅灭靈灵嚀咛魚鱼羥羟縮缩鍵键鏈链睪睾質质體体龍龙戀恋鳥鸟糞粪膽胆麴曲麯曲閉闭開开\
慮虑納纳滿满殺杀蟲虫帶带貼贴噴喷霧雾潤润減减輕轻飲饮飢饥餓饿總总綠绿藍蓝術术務务適适應应\
選选還还遺遗週周進进運运邊边遠远違违遲迟遜逊轉转輔辅輸输輻辐轄辖嶺岭嶼屿凍冻幹干乾干麥麦\
齡龄齒齿骯肮髒脏腫肿瘡疮瘧疟癬癣癰痈蠶蚕蠟蜡蝦虾蟻蚁繫系緊紧緩缓編编繼继續续綜综織织終终\
結结細细絕绝統统綿绵級级純纯紗纱紙纸紛纷組组紹绍紮扎給给絨绒漿浆筆笔預预釋释鴉鸦罌罂聯联\
優优門门賴赖島岛單单魯鲁擾扰壓压臟脏潰溃瘍疡狀状發发燒烧餵喂氣气腸肠傳传導导滯滞瀦潴沒没\
嚴严瀉泻潑泼異异鹵卤盤盘纈缬內内別别撲扑軟软翹翘雲云萬万飛飞憂忧鬱郁產产婦妇兒儿視视聽听\
覺觉腳脚損损傾倾濫滥癮瘾勞劳學学會会點点種种類类長长張张陳陈國国準准";

fn plain_letter(letter: char) -> char {
    match letter {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        'а' | 'А' => 'a',
        'в' | 'В' => 'b',
        'е' | 'Е' | 'ё' => 'e',
        'к' | 'К' => 'k',
        'м' | 'М' => 'm',
        'н' | 'Н' => 'h',
        'о' | 'О' | 'ο' | 'Ο' => 'o',
        'с' | 'С' => 'c',
        'р' | 'Р' => 'p',
        'т' | 'Т' => 't',
        'у' | 'У' => 'y',
        'х' | 'Х' => 'x',
        'і' | 'І' => 'i',
        other => other,
    }
}

fn simple_character(letter: char) -> char {
    static SIMPLE: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
        let letters: Vec<char> = TRADITIONAL.chars().collect();
        letters.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    });
    if letter.is_ascii() { letter } else { SIMPLE.get(&letter).copied().unwrap_or(letter) }
}

/// `text` in lower case, half-width, and with simplified characters.
pub(crate) fn simplified(text: &str) -> String {
    text.chars().map(plain_letter).map(simple_character).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_complete_and_give_simplified_characters() {
        let letters: Vec<char> = TRADITIONAL.chars().collect();
        assert_eq!(letters.len() % 2, 0);
        for pair in letters.chunks(2) {
            assert_eq!(simple_character(simple_character(pair[0])), simple_character(pair[0]), "{pair:?}");
        }
        assert_eq!(simplified("Ｗａｒｆａｒｉｎ 華法林 茶鹼 卡馬西平"), "warfarin 华法林 茶碱 卡马西平");
    }
}
