//! Numbers as words that people can read out, write down and type: the English list of BIP-39.
//!
//! Invariant: what [`from_words`] returns is what [`to_words`] was given; a slip in a word is
//! found by its checksum in 255 of 256 cases. A fingerprint has none: it is compared, not typed.
//! Not here: what the numbers are. A caller that holds a secret overwrites it.
//! Spec: BIP-39; docs/SECURITY.md, "Keys".

use baraza_record::CentreId;
use bip39::{Error, Language, Mnemonic};

/// Words of a fingerprint: 88 bits of the id. Nobody makes a second key with the same ones: at
/// 10^12 keys a second that takes 10 million years.
pub const FINGERPRINT_WORDS: usize = 8;

/// Words of a seed: 256 bits and 8 of a checksum.
pub const SEED_WORDS: usize = 24;

/// Bits of a word.
const WORD_BITS: usize = 11;

/// Characters of a wrong word that are repeated.
const EXCERPT_CHARS: usize = 20;

/// Why words are no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Too few or too many.
    #[error("there are {count} words, {SEED_WORDS} are needed")]
    Count {
        /// How many.
        count: usize,
    },
    /// One is not in the list.
    #[error("word {number}, `{word}`, is not in the list{nearest}")]
    Unknown {
        /// Its place, from 1.
        number: usize,
        /// The beginning of it.
        word: String,
        /// What was perhaps meant, as the end of a sentence; empty if nothing is near.
        nearest: String,
    },
    /// The last word does not fit the others.
    #[error(
        "the checksum does not fit: a word is wrong though it is in the list, or two are swapped"
    )]
    Checksum,
}

/// Returns the words by which people compare an id, for example by telephone.
pub fn fingerprint(id: &CentreId) -> [&'static str; FINGERPRINT_WORDS] {
    let list = Language::English.word_list();
    std::array::from_fn(|place| {
        let bits = place * WORD_BITS..(place + 1) * WORD_BITS;
        let bit = |at: usize| usize::from(id.0[at / 8] >> (7 - at % 8) & 1);
        list[bits.fold(0, |number, at| number << 1 | bit(at))]
    })
}

/// Returns a seed as words.
pub fn to_words(seed: &[u8; 32]) -> [&'static str; SEED_WORDS] {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, seed)
        .expect("32 bytes are an amount of entropy that BIP-39 takes");
    let mut words = mnemonic.words();
    std::array::from_fn(|_| words.next().expect("32 bytes make 24 words"))
}

/// Reads the words of a seed: separated by any white space, in capitals or not.
///
/// # Errors
///
/// [`WordsError`], with the first word that is wrong.
pub fn from_words(text: &str) -> Result<[u8; 32], WordsError> {
    let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
    for (place, word) in words.iter().enumerate() {
        if Language::English.find_word(word).is_none() {
            return Err(unknown(place, word));
        }
    }
    if words.len() != SEED_WORDS {
        return Err(WordsError::Count { count: words.len() });
    }
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words.join(" "));
    let mnemonic = mnemonic.map_err(|error| match error {
        Error::UnknownWord(place) => unknown(place, words.get(place).map_or("", String::as_str)),
        Error::BadWordCount(count) => WordsError::Count { count },
        _ => WordsError::Checksum,
    })?;
    let (entropy, _) = mnemonic.to_entropy_array();
    Ok(*entropy.first_chunk().expect("24 words hold 32 bytes"))
}

fn unknown(place: usize, word: &str) -> WordsError {
    // The first four letters tell the words of the list apart.
    let start: String = word.chars().take(3).collect();
    let list = Language::English.word_list().iter();
    let near: Vec<_> = list.copied().filter(|word| word.starts_with(&start)).take(4).collect();
    let nearest = match near.is_empty() || start.is_empty() {
        true => String::new(),
        false => format!("; perhaps {}", near.join(", ")),
    };
    let word = word.chars().filter(|c| !c.is_control()).take(EXCERPT_CHARS).collect();
    WordsError::Unknown { number: place + 1, word, nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the test vectors of BIP-39, those of 256 bits.
    const VECTORS: &[(&str, &str)] = &[
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank year wave \
             sausage worth useful legal winner thank year wave sausage worth title",
        ),
        (
            "8080808080808080808080808080808080808080808080808080808080808080",
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd \
             amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless",
        ),
        (
            "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
            "hamster diagram private dutch cause delay private meat slide toddler razor book \
             happy fancy gospel tennis maple dilemma loan word shrug inflict delay length",
        ),
        (
            "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich \
             alcohol speed nation flash devote level hobby quick inner drive ghost inside",
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open \
             amazing screen patrol group space point ten exist slush involve unfold",
        ),
    ];

    #[test]
    fn the_vectors_of_bip_39_hold_both_ways() {
        let zero = format!("{}art", "abandon ".repeat(23));
        let ones = format!("{}vote", "zoo ".repeat(23));
        let ends = [("00".repeat(32), zero), ("ff".repeat(32), ones)];
        let vectors = VECTORS.iter().map(|(hex, words)| ((*hex).to_owned(), (*words).to_owned()));
        for (hex, words) in vectors.chain(ends) {
            let seed = hex.parse::<CentreId>().unwrap().0;
            assert_eq!(to_words(&seed).join(" "), words);
            assert_eq!(from_words(&words), Ok(seed));
        }
    }

    #[test]
    fn case_and_white_space_do_not_matter() {
        let text = to_words(&[0x5a; 32]).join("\n  ").to_uppercase();
        assert_eq!(from_words(&format!("\t{text}\r\n")), Ok([0x5a; 32]));
    }

    #[test]
    fn a_slip_is_named() {
        let mut words = to_words(&[7; 32]);
        let said = |words: &[&str]| from_words(&words.join(" ")).unwrap_err().to_string();
        assert_eq!(said(&words[..23]), "there are 23 words, 24 are needed");
        words.swap(0, 1);
        assert!(said(&words).contains("the checksum does not fit"));
        words[4] = "absurb";
        let expected = "word 5, `absurb`, is not in the list; perhaps absent, absorb, abstract, \
                        absurd";
        assert_eq!(said(&words), expected);
        words[4] = "\u{1b}[2Jé";
        assert_eq!(said(&words), "word 5, `[2jé`, is not in the list");
        assert_eq!(from_words(""), Err(WordsError::Count { count: 0 }));
    }

    #[test]
    fn a_fingerprint_is_the_beginning_of_an_id() {
        let mut id = CentreId([0x7f; 32]);
        let words = "legal winner thank year wave sausage worth useful";
        assert_eq!(fingerprint(&id).join(" "), words);
        id.0[31] ^= 1;
        assert_eq!(fingerprint(&id).join(" "), words, "88 bits are shown");
        id.0[10] ^= 1;
        assert_ne!(fingerprint(&id).join(" "), words, "bit 88 is one of them");
    }
}
