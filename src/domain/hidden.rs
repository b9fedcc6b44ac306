//! Characters that hide, or that turn the text around them: a name that holds one
//! reads as another name on somebody else's screen.

/// Whether a text holds a character that people do not see, or that makes what
/// they see differ from what is stored. A joiner between two emoji, where it makes
/// one picture of them, does neither.
///
/// Source: Unicode, the property Bidi_Control and the characters without width of
/// the property Default_Ignorable_Code_Point. Variation selectors stay: rare Chinese
/// characters are written with them.
pub fn hides_something(text: &str) -> bool {
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == JOINER {
            let joins = before.is_some_and(is_picture) && letters.peek().copied().is_some_and(is_picture);
            if !joins {
                return true;
            }
        } else if is_hidden(letter) {
            return true;
        }
        // Between a picture and a joiner there may be a selector or a skin tone.
        if !matches!(letter, '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}') {
            before = Some(letter);
        }
    }
    false
}

const JOINER: char = '\u{200D}';

/// Whether a character is not to be seen, or turns the text around it.
pub fn is_hidden(letter: char) -> bool {
    matches!(
        letter,
        // Soft hyphen, grapheme joiner, Arabic letter mark.
        '\u{00AD}' | '\u{034F}' | '\u{061C}'
        // Fillers of Hangul and Khmer, the Mongolian separator.
        | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{3164}' | '\u{FFA0}'
        // Zero width, marks of direction; line and paragraph separators,
        // embeddings and overrides; invisible operators, isolates.
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        // Byte order mark, annotations, tags.
        | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
    )
}

fn is_picture(letter: char) -> bool {
    matches!(letter, '\u{00A9}' | '\u{00AE}' | '\u{203C}'..='\u{3299}' | '\u{1F000}'..='\u{1FAFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_found_and_what_people_write_is_not() {
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
        ];
        for text in hidden {
            assert!(hides_something(text), "{text:?}");
        }
        let plain = [
            "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
            "\u{1F468}\u{1F3FD}\u{200D}\u{2695}\u{FE0F}",
            "张三 (Zhang San)",
            "O'Neill-Smith",
            "多行\n文字\t",
            "葛\u{E0100}",
            "3 × 500 mg, 38.2 °C",
            "\u{300C}引\u{300D}",
        ];
        for text in plain {
            assert!(!hides_something(text), "{text:?}");
        }
    }
}
