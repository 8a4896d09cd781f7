//! Secret keys on their way to a signature: where they are, and their passphrases.
//!
//! Invariant: a passphrase or words come from a terminal or a file, never from an argument or the
//! environment, and are overwritten when they are dropped.
//! Spec: docs/SECURITY.md, "Keys".

use std::path::{Path, PathBuf};

use baraza_api::ErrorCode;
use baraza_record::{PublicKey, sign::Signature};
use zeroize::Zeroizing;

use crate::{
    args::{NextKeys, PassphraseFile, RootKeys},
    error::{Failure, failure},
    host::{KeyAt, Passphrase},
    shell::Shell,
};

/// Words that are asked for in one line.
const WORDS_PER_LINE: usize = 6;

/// Words of a key.
const WORDS: usize = baraza_formats::words::SEED_WORDS;

/// A secret key that a person pointed to, and that opens.
pub(crate) struct Secret {
    at: At,
    passphrase: Option<Passphrase>,
    pub(crate) public: PublicKey,
}

enum At {
    Root,
    File(PathBuf),
    Words(Passphrase),
}

impl At {
    fn key(&self) -> KeyAt<'_> {
        match self {
            Self::Root => KeyAt::Root,
            Self::File(path) => KeyAt::File(path),
            Self::Words(words) => KeyAt::Words(words),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Root => "the root key".into(),
            Self::File(path) => format!("the key in {}", path.display()),
            Self::Words(_) => "the words".into(),
        }
    }
}

impl Secret {
    /// Opens a key; asks for its passphrase if it has one.
    fn open(
        shell: &mut Shell<'_, '_>,
        at: At,
        file: Option<&Path>,
        option: &str,
    ) -> Result<Self, Failure> {
        let locked = match shell.host.public_key(&shell.home, at.key(), None) {
            Err(error) if error.code == ErrorCode::Locked => error,
            public => return Ok(Self { public: public?, at, passphrase: None }),
        };
        let file = PassphraseFile { passphrase_file: file.map(Path::to_owned) };
        let passphrase = match file.read()? {
            Some(passphrase) => passphrase,
            None => {
                let question = format!("Passphrase of {}: ", at.name());
                shell
                    .ask_secret(&question)?
                    .ok_or_else(|| Failure::from(locked).hint(format!("add {option} FILE")))?
            }
        };
        let public = shell.host.public_key(&shell.home, at.key(), Some(&passphrase))?;
        Ok(Self { at, passphrase: Some(passphrase), public })
    }

    /// Opens a key file.
    pub(crate) fn file(
        shell: &mut Shell<'_, '_>,
        path: &Path,
        passphrase: Option<&Path>,
        option: &str,
    ) -> Result<Self, Failure> {
        Self::open(shell, At::File(path.to_owned()), passphrase, option)
    }

    /// Opens a key file with a passphrase that is at hand.
    pub(crate) fn opened(
        shell: &Shell<'_, '_>,
        path: PathBuf,
        passphrase: Option<Passphrase>,
    ) -> Result<Self, Failure> {
        let at = At::File(path);
        let public = shell.host.public_key(&shell.home, at.key(), passphrase.as_ref())?;
        Ok(Self { at, passphrase, public })
    }

    /// Signs the bytes of an event.
    pub(crate) fn sign(
        &self,
        shell: &Shell<'_, '_>,
        event: &[u8],
    ) -> Result<(PublicKey, Signature), Failure> {
        let passphrase = self.passphrase.as_ref();
        Ok(shell.host.sign_event(&shell.home, self.at.key(), passphrase, event)?)
    }
}

/// Opens the root key of the home, if it is there.
fn home_root(
    shell: &mut Shell<'_, '_>,
    passphrase: Option<&Path>,
) -> Result<Option<Secret>, Failure> {
    match Secret::open(shell, At::Root, passphrase, "--root-passphrase-file") {
        Err(failure) if failure.code() == Some(ErrorCode::NotFound) => Ok(None),
        secret => secret.map(Some),
    }
}

/// Opens the root keys that sign a change.
///
/// # Errors
///
/// `Invalid` for a key that is not among those in force, `NotFound` if there is none and
/// nobody else is to sign.
pub(crate) fn root_keys(
    shell: &mut Shell<'_, '_>,
    args: &RootKeys,
    in_force: &[PublicKey],
) -> Result<Vec<Secret>, Failure> {
    let passphrase = args.root_passphrase_file.as_deref();
    let mut secrets = Vec::new();
    for path in &args.root_key {
        let secret = Secret::file(shell, path, passphrase, "--root-passphrase-file")?;
        if !in_force.contains(&secret.public) {
            let what = format!("the key in `{}` is no root key of this centre", path.display());
            return Err(failure(ErrorCode::Invalid, what));
        }
        secrets.push(secret);
    }
    let home = home_root(shell, passphrase)?;
    secrets.extend(home.filter(|secret| in_force.contains(&secret.public)));
    if secrets.is_empty() && args.request.is_none() {
        let what = "this home has no root key of the centre that is in force";
        return Err(failure(ErrorCode::NotFound, what)
            .hint("name its file: --root-key FILE; or have others sign: --request FILE"));
    }
    Ok(secrets)
}

/// Opens next keys: those in files, and those whose words are typed.
pub(crate) fn next_keys(
    shell: &mut Shell<'_, '_>,
    args: &NextKeys,
) -> Result<Vec<Secret>, Failure> {
    let mut secrets = Vec::new();
    for path in &args.next_key {
        let passphrase = args.key_passphrase_file.as_deref();
        secrets.push(Secret::file(shell, path, passphrase, "--key-passphrase-file")?);
    }
    secrets.extend(typed(shell, args.words)?);
    secrets.sort_by_key(|secret| secret.public);
    secrets.dedup_by_key(|secret| secret.public);
    Ok(secrets)
}

/// Asks for the words of keys, if they are to be typed, until a first line is empty.
pub(crate) fn typed(shell: &mut Shell<'_, '_>, wanted: bool) -> Result<Vec<Secret>, Failure> {
    let mut secrets = Vec::new();
    if wanted {
        while let Some(secret) = typed_one(shell)? {
            secrets.push(secret);
        }
    }
    Ok(secrets)
}

/// Asks for the words of a key; none if the first line is empty.
fn typed_one(shell: &mut Shell<'_, '_>) -> Result<Option<Secret>, Failure> {
    shell.tell("Type the words of a key, six to a line; an empty line ends.");
    let mut words: Passphrase = Zeroizing::new(String::with_capacity(512));
    for first in (1..=WORDS).step_by(WORDS_PER_LINE) {
        let question = format!("Words {first} to {}: ", first + WORDS_PER_LINE - 1);
        let Some(line) = shell.ask_words(&question)? else {
            let what = "there is no terminal to type the words on";
            return Err(failure(ErrorCode::BadRequest, what)
                .hint("name the file of the sheet instead: --next-key FILE or --key FILE"));
        };
        if line.trim().is_empty() && words.is_empty() {
            return Ok(None);
        }
        words.push_str(line.trim());
        words.push(' ');
    }
    let at = At::Words(words);
    let public = shell.host.public_key(&shell.home, at.key(), None)?;
    shell.tell(format!("That is the key {}.", public.short()));
    Ok(Some(Secret { at, passphrase: None, public }))
}

/// Returns the passphrase of new keys: from a file or, asked for twice, from a terminal.
pub(crate) fn new_passphrase(
    shell: &mut Shell<'_, '_>,
    file: &PassphraseFile,
    none: bool,
    what: &str,
) -> Result<Option<Passphrase>, Failure> {
    if let Some(passphrase) = file.read()? {
        return Ok(Some(passphrase));
    }
    if none {
        return Ok(None);
    }
    let Some(first) = shell.ask_secret(&format!("Passphrase for {what}: "))? else {
        let message = format!("there is no passphrase for {what} and no terminal to ask on");
        let hint = "add --passphrase-file FILE, or --no-passphrase to leave them readable";
        return Err(failure(ErrorCode::BadRequest, message).hint(hint));
    };
    if first.is_empty() {
        let hint = "add --no-passphrase to leave them readable";
        return Err(failure(ErrorCode::Invalid, "the passphrase is empty").hint(hint));
    }
    match shell.ask_secret("The same again: ")? {
        Some(second) if second == first => Ok(Some(first)),
        _ => Err(failure(ErrorCode::Invalid, "the two passphrases differ")),
    }
}
