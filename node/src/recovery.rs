//! The recovery folder: next keys as files or as sheets with words, and what to do with them.
//!
//! Invariant: a next key is written once, into this folder, and nowhere else. What is written on
//! a sheet reads back as the same key.
//! Not here: what next keys sign (`baraza-identity`), how words are made (`baraza-formats`).
//! Spec: docs/SECURITY.md, "Keys"; docs/GUIDE.md, "When keys are lost or stolen".

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use baraza_api::{ErrorBody, ErrorCode};
use baraza_cli::{KeyPlan, Seal};
use baraza_formats::words::{self, SEED_WORDS};
use baraza_identity::{KEYS_MAX, KeySet};
use baraza_record::{PublicKey, SecretKey, hash};
use zeroize::Zeroizing;

use crate::{
    home,
    keys::{self, KeyError},
};

/// What lies in the recovery folder beside the keys.
const RECOVERY_TEXT: &str = include_str!("recovery.txt");

/// Most bytes of a key file or a sheet.
const KEY_FILE_BYTES_MAX: u64 = 16 * 1_024;

/// Columns of words on a sheet.
const COLUMNS: usize = 3;

/// New root keys and next keys.
pub(crate) struct Made {
    /// Root keys; the first is for the home, the others are for custodians.
    pub(crate) roots: Vec<SecretKey>,
    /// Next keys.
    pub(crate) nexts: Vec<SecretKey>,
    /// What the identity log says of them.
    pub(crate) keys: KeySet,
}

/// Makes keys as planned.
///
/// # Errors
///
/// `Invalid` for numbers outside their limits.
pub(crate) fn make(plan: KeyPlan) -> Result<Made, ErrorBody> {
    let KeyPlan { root_keys, root_threshold, next_keys, next_threshold, seal: _ } = plan;
    for (what, keys, threshold) in
        [("root", root_keys, root_threshold), ("next", next_keys, next_threshold)]
    {
        if !(1..=KEYS_MAX).contains(&usize::from(keys)) {
            let message = format!("{keys} {what} keys: 1 to {KEYS_MAX} are possible");
            return Err(ErrorBody::new(ErrorCode::Invalid, message));
        }
        if !(1..=keys).contains(&threshold) {
            let message = format!("{threshold} of {keys} {what} keys cannot sign");
            return Err(ErrorBody::new(ErrorCode::Invalid, message)
                .with_hint(format!("--{what}-threshold is between 1 and the number of keys")));
        }
    }
    let generate = |count: u8| (0..count).map(|_| keys::generate()).collect::<Vec<_>>();
    let (roots, nexts) = (generate(root_keys), generate(next_keys));
    let mut root_public: Vec<_> = roots.iter().map(SecretKey::public).collect();
    root_public.sort();
    let mut next_digests: Vec<_> =
        nexts.iter().map(|key| hash::key_digest(&key.public())).collect();
    next_digests.sort();
    let keys = KeySet { root_keys: root_public, root_threshold, next_digests, next_threshold };
    Ok(Made { roots, nexts, keys })
}

/// Writes the keys that do not stay in the home into a folder, with instructions; returns the
/// files of the root keys among them.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    made: &Made,
    plan: KeyPlan,
    passphrase: Option<&str>,
) -> Result<Vec<PathBuf>, ErrorBody> {
    home::create_private_dir(folder)?;
    let mut list = String::new();
    for (index, key) in made.nexts.iter().enumerate() {
        let number = index + 1;
        let file = match plan.seal {
            Seal::File => {
                let file = format!("next-{number}.pem");
                keys::store(&folder.join(&file), key, passphrase)?;
                file
            }
            Seal::Words => {
                let file = format!("next-{number}-words.txt");
                let sheet = sheet(name, number, plan, key);
                home::create_private_file(&folder.join(&file), sheet.as_bytes())?;
                file
            }
        };
        list += &format!("  {file:<22} {}\n", key.public());
    }
    let mut root_files = Vec::new();
    for (index, key) in made.roots.iter().enumerate().skip(1) {
        let file = format!("root-{}.pem", index + 1);
        keys::store(&folder.join(&file), key, passphrase)?;
        list += &format!("  {file:<22} {}\n", key.public());
        root_files.push(folder.join(file));
    }
    let text = RECOVERY_TEXT
        .replace("{name}", name)
        .replace("{next_keys}", &plan.next_keys.to_string())
        .replace("{next_threshold}", &plan.next_threshold.to_string())
        .replace("{keys}", list.trim_end());
    home::create_private_file(&folder.join("READ-ME.txt"), text.as_bytes())?;
    Ok(root_files)
}

/// Returns whether a folder still holds keys.
pub(crate) fn has_keys(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("next-") || name.starts_with("root-")
    })
}

/// Reads a key from a PKCS#8 file or from a sheet with words. The mode of the file is not looked
/// at: a memory stick has none.
pub(crate) fn read(path: &Path, passphrase: Option<&str>) -> Result<SecretKey, KeyError> {
    let fault = |code, what: String| KeyError::File(ErrorBody::new(code, what));
    let failed = |error: io::Error| {
        let code = match error.kind() {
            io::ErrorKind::NotFound => ErrorCode::NotFound,
            _ => ErrorCode::Invalid,
        };
        fault(code, format!("`{}` cannot be read: {error}", path.display()))
    };
    if KEY_FILE_BYTES_MAX < fs::metadata(path).map_err(failed)?.len() {
        let what = format!("`{}` is too long for a key", path.display());
        return Err(fault(ErrorCode::Invalid, what));
    }
    let content = Zeroizing::new(fs::read(path).map_err(failed)?);
    let is_pem = content.windows(11).any(|window| window == b"-----BEGIN ");
    if is_pem {
        return keys::parse(&content, path, passphrase);
    }
    let text = std::str::from_utf8(&content)
        .map_err(|_| fault(ErrorCode::Invalid, format!("`{}` is no key", path.display())))?;
    let typed = Zeroizing::new(numbered(text).unwrap_or_else(|| text.to_owned()));
    from_words(&typed).map_err(|error| {
        KeyError::File(ErrorBody {
            message: format!("`{}`: {}", path.display(), error.message),
            ..error
        })
    })
}

/// Returns the key that 24 words stand for.
pub(crate) fn from_words(text: &str) -> Result<SecretKey, ErrorBody> {
    let seed = words::from_words(text).map(Zeroizing::new);
    let seed = seed.map_err(|error| {
        ErrorBody::new(ErrorCode::Invalid, format!("the words are no key: {error}"))
            .with_hint("give the 24 words of the sheet, in their order")
    })?;
    Ok(SecretKey::from_seed(*seed))
}

/// Returns the words of a sheet in the order of their numbers; none if it is no sheet. Lines on
/// which anything else stands are no part of it.
fn numbered(text: &str) -> Option<String> {
    let mut found: Vec<Option<&str>> = vec![None; SEED_WORDS];
    for line in text.lines() {
        let parts: Vec<_> = line.split_whitespace().collect();
        let pair = |pair: &[&str]| {
            let number: usize = pair.first()?.strip_suffix('.')?.parse().ok()?;
            let is_word = pair.get(1)?.bytes().all(|byte| byte.is_ascii_alphabetic());
            is_word.then_some(number)
        };
        let numbers: Option<Vec<usize>> = parts.chunks(2).map(pair).collect();
        for (number, pair) in numbers.into_iter().flatten().zip(parts.chunks(2)) {
            *found.get_mut(number.checked_sub(1)?)? = Some(pair[1]);
        }
    }
    found.into_iter().collect::<Option<Vec<_>>>().map(|words| words.join(" "))
}

/// Returns the sheet of a next key, to be printed.
fn sheet(name: &str, number: usize, plan: KeyPlan, key: &SecretKey) -> Zeroizing<String> {
    let KeyPlan { next_keys, next_threshold, .. } = plan;
    let seed = Zeroizing::new(key.to_seed());
    let words = words::to_words(&seed);
    let rows = SEED_WORDS / COLUMNS;
    let mut grid = Zeroizing::new(String::with_capacity(1_024));
    for row in 0..rows {
        for column in 0..COLUMNS {
            let place = column * rows + row;
            grid.push_str(&format!("   {:>2}. {:<10}", place + 1, words[place]));
        }
        let end = grid.trim_end().len();
        grid.truncate(end);
        grid.push('\n');
    }
    Zeroizing::new(format!(
        "RECOVERY KEY {number} OF {next_keys}

of the centre {name}

Whoever knows these 24 words can sign for the recovery of the centre.
{next_threshold} of the {next_keys} recovery keys must sign together.

{}
Public half (no secret): {}

WHAT THIS IS FOR
  When the keys in use are lost or stolen, the keepers of the recovery keys
  give the centre new ones. Its id and all that it published stay.

WHO KEEPS IT
  One person or office, not the one that runs the computer. No two sheets in
  one place. Under lock: a safe, a bank, a notary.

NOW
  1. Print this sheet, or copy the words by hand, with their numbers.
  2. Compare each word. Every word is in the English list of BIP-39.
  3. Delete this file from the computer, and from the printer's memory.

WHEN IT IS NEEDED
  Never tell the words to anybody, also not by telephone. Type them yourself:
    baraza centre sign REQUEST --words
  which shows first what is signed. After that the words are used up: destroy
  the sheet and keep the new one that you are given.
",
        *grid,
        key.public()
    ))
}

/// Finds the file of a home's `keys` folder that waits to be used: one of these keys.
pub(crate) fn staged_name(role: &str, key: &PublicKey) -> String {
    format!("{role}-new-{}.pem", key.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seal: Seal) -> KeyPlan {
        KeyPlan { root_keys: 2, seal, ..KeyPlan::default() }
    }

    #[test]
    fn a_sheet_reads_back_as_its_key_whatever_stands_around_the_words() {
        let folder = tempfile::tempdir().unwrap();
        let made = make(plan(Seal::Words)).unwrap();
        let dir = folder.path().join("recovery");
        let roots = write(&dir, "Lake Desk 1. of 2.", &made, plan(Seal::Words), None).unwrap();
        assert_eq!(roots, [dir.join("root-2.pem")]);
        for (index, key) in made.nexts.iter().enumerate() {
            let path = dir.join(format!("next-{}-words.txt", index + 1));
            let read = read(&path, None).unwrap();
            assert_eq!(read.public(), key.public());
            let sheet = fs::read_to_string(&path).unwrap();
            assert!(sheet.contains(&key.public().to_string()));
            assert!(sheet.lines().all(|line| line.chars().count() <= 90), "it fits a page");
        }
        assert!(has_keys(&dir));
    }

    #[test]
    fn words_in_a_row_are_a_key_and_a_slip_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let key = keys::generate();
        let path = folder.path().join("typed.txt");
        let words = words::to_words(&key.to_seed()).join("\n");
        fs::write(&path, &words).unwrap();
        assert_eq!(read(&path, None).unwrap().public(), key.public());
        fs::write(&path, words.replacen('\n', " wateer ", 1)).unwrap();
        let Err(KeyError::File(error)) = read(&path, None) else { panic!("it was read") };
        assert!(error.message.contains("wateer"), "{error}");
        assert_eq!(error.code, ErrorCode::Invalid);
    }

    #[test]
    fn a_key_file_needs_its_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let made = make(plan(Seal::File)).unwrap();
        let dir = folder.path().join("recovery");
        write(&dir, "Desk", &made, plan(Seal::File), Some("six words or more")).unwrap();
        let path = dir.join("next-1.pem");
        assert!(matches!(read(&path, None), Err(KeyError::Passphrase)));
        assert!(matches!(read(&path, Some("wrong")), Err(KeyError::Passphrase)));
        let key = read(&path, Some("six words or more")).unwrap();
        assert_eq!(key.public(), made.nexts[0].public());
        let text = fs::read_to_string(dir.join("READ-ME.txt")).unwrap();
        assert!(text.contains(&key.public().to_string()) && !text.contains('{'), "{text}");
        let Err(KeyError::File(error)) = read(&dir.join("next-9.pem"), None) else { panic!() };
        assert_eq!(error.code, ErrorCode::NotFound);
    }

    #[test]
    fn numbers_of_keys_have_limits() {
        let made = |root_keys, root_threshold, next_keys, next_threshold| {
            let seal = Seal::File;
            make(KeyPlan { root_keys, root_threshold, next_keys, next_threshold, seal }).is_ok()
        };
        assert!(made(1, 1, 1, 1) && made(3, 2, 16, 16));
        assert!(!made(0, 0, 3, 2) && !made(1, 2, 3, 2) && !made(1, 1, 17, 2) && !made(1, 1, 3, 0));
    }
}
