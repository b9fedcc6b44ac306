//! Characters that are invisible, or that change the direction of the text around them: a name that
//! contains one reads as another name on somebody else's screen.
//!
//! Unicode's own tables (General_Category and Default_Ignorable_Code_Point) classify every
//! character. The few that are blank without being in these tables are listed here.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        DefaultIgnorableCodePoint, EmojiPresentation, ExtendedPictographic, GeneralCategory, Ideographic,
    },
};

/// Whether a text contains a character that people do not see, or that makes what they see differ
/// from what is stored. Allowed are: a joiner or a selector between or after emoji that form one
/// picture, and a variation selector after the rare Chinese character that it selects.
pub fn has_hidden_characters(text: &str) -> bool {
    let mut letters = text.chars().peekable();
    // The last visible character, and whether a selector already follows it.
    let (mut seen, mut selected) = (None, false);
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match letter {
            JOINER => {
                if !(seen.is_some_and(is_picture) && next.is_some_and(is_picture)) {
                    return true;
                }
                (seen, selected) = (None, false);
            }
            _ if is_selector(letter) => {
                if selected || !seen.is_some_and(|seen| selects(letter, seen, next)) {
                    return true;
                }
                selected = true;
            }
            _ if is_hidden(letter) => return true,
            // A skin tone is part of the picture before it.
            '\u{1F3FB}'..='\u{1F3FF}' => selected = false,
            _ => (seen, selected) = (Some(letter), false),
        }
    }
    false
}

/// Whether a name, or another one-line text by which people distinguish things, contains a hidden
/// character or a line break. Only the plain space and the ideographic space are allowed, so that
/// no two names differ only in the kind of their spaces.
pub fn has_hidden_characters_in_name(text: &str) -> bool {
    let forbidden =
        |letter: char| letter.is_control() || letter == JOINER || PICTURE_SELECTORS.contains(&letter);
    let other_space = |letter: char| letter.is_whitespace() && !matches!(letter, ' ' | '\u{3000}');
    has_hidden_characters(text) || text.chars().any(|letter| forbidden(letter) || other_space(letter))
}

const JOINER: char = '\u{200D}';
/// Text or emoji presentation.
const PICTURE_SELECTORS: [char; 2] = ['\u{FE0E}', '\u{FE0F}'];

/// Whether a character is invisible everywhere, changes the text around it, or has no assigned
/// meaning.
fn is_hidden(letter: char) -> bool {
    // Line breaks and tabs; and code points that Unicode reserves for future Chinese characters.
    if matches!(letter, '\n' | '\r' | '\t' | '\u{20000}'..='\u{2FFFD}' | '\u{30000}'..='\u{3FFFD}') {
        return false;
    }
    let blank = matches!(
        letter,
        // The blank Braille pattern, the object replacement character, the musical null notehead,
        // the Khitan filler.
        '\u{2800}' | '\u{FFFC}' | '\u{1D159}' | '\u{16FE4}'
    );
    let kind = CodePointMapData::<GeneralCategory>::new().get(letter);
    let unreadable = matches!(
        kind,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    blank || unreadable || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
}

fn is_selector(letter: char) -> bool {
    matches!(letter, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Whether `selector` selects a visible form of `letter`.
fn selects(selector: char, letter: char, next: Option<char>) -> bool {
    if PICTURE_SELECTORS.contains(&selector) {
        // The digit 1 as a keycap: the digit, the selector, the enclosing keycap.
        let in_keycap = matches!(letter, '0'..='9' | '#' | '*') && next == Some('\u{20E3}');
        return is_picture(letter) || in_keycap;
    }
    CodePointSetData::new::<Ideographic>().contains(letter)
}

fn is_picture(letter: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(letter)
        || CodePointSetData::new::<EmojiPresentation>().contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_found_and_ordinary_text_passes() {
        let hidden = [
            "a\u{202E}b",
            "\u{200B}",
            "a\u{200D}b",
            "x\u{FEFF}",
            "\u{2066}x\u{2069}",
            "\u{61C}",
            "soft\u{AD}hyphen",
            "\u{3164}",
            "\u{E0041}",
            "a\u{2028}b",
            "\u{1F600}\u{200D}",
            // Cases that a hand-written list missed.
            "a\u{1BCA0}",
            "a\u{1D173}",
            "a\u{FFF0}",
            "a\u{FFFB}",
            "a\u{FFFC}",
            "a\u{E0080}",
            "a\u{E01F0}",
            "a\u{13430}",
            "a\u{70F}",
            "a\u{2800}",
            "a\u{FFFF}",
            "a\u{FDD0}",
            "a\u{10FFFE}",
            "a\u{E000}",
            "a\u{F0000}",
            "a\u{378}",
            "a\u{85}",
            "a\u{7}",
            "\u{0}",
            // Selectors that select nothing, and a second selector.
            "a\u{FE0F}",
            "a\u{E0100}",
            "\u{E0100}",
            "1\u{FE0F}",
            "葛\u{E0100}\u{E0101}",
            "葛\u{FE0F}",
        ];
        for text in hidden {
            assert!(has_hidden_characters(text), "{text:?}");
            assert!(has_hidden_characters_in_name(text), "{text:?}");
        }
        let plain = [
            "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
            "\u{1F468}\u{1F3FD}\u{200D}\u{2695}\u{FE0F}",
            "\u{2764}\u{FE0F} 1\u{FE0F}\u{20E3}",
            "张三 (Zhang San)",
            "O'Neill-Smith",
            "多行\n文字\t",
            "葛\u{E0100}",
            "3 × 500 mg, 38.2 °C",
            "\u{300C}引\u{300D}",
        ];
        for text in plain {
            assert!(!has_hidden_characters(text), "{text:?}");
        }
    }

    #[test]
    fn names_of_real_people_are_accepted() {
        for name in [
            "张三",
            "葛\u{E0100}西",
            "欧阳 娜娜",
            "买买提\u{B7}艾力",
            "بکر",
            "Nguyễn Văn Đức",
            "José Ångström-O’Brien",
            "ᠪᠠᠲᠤ",
            "བསོད་ནམས",
            "ꆈꌠ",
            "\u{20BB7}野家",
            "样例\u{3000}甲",
        ] {
            assert!(!has_hidden_characters_in_name(name), "{name:?}");
        }
        for name in [
            "张\n三",
            "张\u{A0}三",
            "张\u{2003}三",
            "\u{1F468}\u{200D}\u{1F469}",
            "\u{2764}\u{FE0F}",
            "नि\u{200C}शा",
        ] {
            assert!(has_hidden_characters_in_name(name), "{name:?}");
        }
    }
}
