//! Arguments, help, errors and exit codes.

use std::{ffi::OsString, io};

use baraza_api::{ErrorCode, PeersReply};
use baraza_cli::{Screen, run_on};

use crate::support::{NOW, Node, Person, Program, Shown, error, run, run_with};

const COMMANDS: [&[&str]; 54] = [
    &["init"],
    &["start"],
    &["status"],
    &["new"],
    &["publish"],
    &["revise"],
    &["retract"],
    &["sign-erasure"],
    &["search"],
    &["list"],
    &["show"],
    &["sync"],
    &["peers"],
    &["why"],
    &["pause"],
    &["resume"],
    &["bundle"],
    &["bundle", "create"],
    &["bundle", "import"],
    &["verify"],
    &["centre"],
    &["centre", "show"],
    &["centre", "list"],
    &["centre", "log"],
    &["nation"],
    &["nation", "init"],
    &["nation", "accredit"],
    &["nation", "suspend"],
    &["nation", "withdraw"],
    &["trust"],
    &["trust", "add"],
    &["trust", "rm"],
    &["trust", "list"],
    &["policy"],
    &["policy", "show"],
    &["policy", "explain"],
    &["quarantine", "list"],
    &["quarantine", "release"],
    &["check"],
    &["repair"],
    &["unlock"],
    &["demo"],
    &["draft"],
    &["draft", "list"],
    &["draft", "show"],
    &["draft", "import"],
    &["draft", "edit"],
    &["draft", "submit"],
    &["draft", "release"],
    &["draft", "retract"],
    &["draft", "discard"],
    &["staff"],
    &["staff", "list"],
    &["staff", "log"],
];

const CODES: [ErrorCode; 16] = [
    ErrorCode::BadRequest,
    ErrorCode::Invalid,
    ErrorCode::NotFound,
    ErrorCode::Ambiguous,
    ErrorCode::NotOurs,
    ErrorCode::Locked,
    ErrorCode::KeyBlocked,
    ErrorCode::NotAllowed,
    ErrorCode::NoRole,
    ErrorCode::SecondPerson,
    ErrorCode::Offline,
    ErrorCode::Home,
    ErrorCode::Busy,
    ErrorCode::DiskFull,
    ErrorCode::Store,
    ErrorCode::Internal,
];

#[test]
fn every_command_explains_itself_and_takes_the_common_options() {
    for command in COMMANDS {
        let shown = run(&Program::default(), &[command, &["--help"]].concat());
        assert_eq!((shown.exit, shown.err.as_str()), (0, ""), "{command:?}");
        for text in ["Usage: baraza", "--json", "--home <DIR>", "--quiet", "--yes", "BARAZA_HOME"] {
            assert!(shown.out.contains(text), "{command:?} lacks {text}");
        }
        assert!(!shown.out.contains(['\u{1b}', '\u{7}']), "{command:?}");
    }
}

#[test]
fn the_long_help_lists_every_command_exit_code_and_three_examples() {
    let help = run(&Program::default(), &["--help"]).out;
    for command in COMMANDS.iter().filter(|command| command.len() == 1) {
        assert!(help.contains(&format!("\n  {} ", command[0])), "{command:?}");
    }
    for code in CODES.iter().map(|code| code.exit()).chain([0, 9]) {
        assert!(help.contains(&format!("\n  {code}  ")), "exit code {code}");
    }
    assert_eq!(help.matches("\n  baraza ").count(), 3, "{help}");
    let version = run(&Program::default(), &["--version"]);
    assert_eq!(version.exit, 0);
    assert!(version.out.contains("imply no opinion"), "{}", version.out);
}

#[test]
fn wrong_arguments_are_told_as_text_and_as_json() {
    for arguments in [
        &["publsh"][..],
        &["publish"],
        &["show"],
        &["bundle"],
        &["retract", "abcd", "--reason", "boredom"],
        &["search", "water", "--limit", "100000"],
        &["new", "retraction"],
        &["init", "--no-passphrase", "--passphrase-file", "f", "--name", "x"],
    ] {
        let shown = run(&Program::default(), arguments);
        assert_eq!((shown.exit, shown.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!shown.err.is_empty(), "{arguments:?}");
    }
    let shown = run(&Program::default(), &["--json", "publsh"]);
    let told: serde_json::Value = serde_json::from_str(&shown.err).unwrap();
    assert_eq!((shown.exit, &told["code"]), (2, &"bad-request".into()));
}

#[test]
fn what_is_no_id_never_reaches_a_path() {
    for id in ["../peers", "abcg", "", "a b", "ab?x=1", &"a".repeat(65)] {
        for command in [&["show", id][..], &["centre", "show", id], &["centre", "log", id]] {
            let program = Program::with(Node::default());
            assert_eq!(run(&program, command).exit, 2, "{command:?}");
            assert!(program.node.requests.borrow().is_empty());
        }
    }
}

#[test]
fn every_failure_of_the_node_has_its_exit_code_and_says_what_to_do() {
    for code in CODES {
        let program = Program::with(Node::default().fails("GET /v1/peers", &error(code)));
        let shown = run(&program, &["peers"]);
        assert_eq!(shown.exit, code.exit(), "{code:?}");
        assert_eq!(shown.err, "error: what went wrong\nhint: what to do\n");
        assert_eq!(shown.out, "");

        let program = Program::with(Node::default().fails("GET /v1/peers", &error(code)));
        let shown = run(&program, &["peers", "--json"]);
        let told: serde_json::Value = serde_json::from_str(&shown.err).unwrap();
        assert_eq!(told["code"], serde_json::to_value(code).unwrap());
        assert_eq!(told["exit"], code.exit());
        assert_eq!((shown.exit, shown.out.as_str()), (code.exit(), ""));
    }
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let exits = CODES.map(ErrorCode::exit);
    assert_eq!(exits, [2, 3, 4, 4, 8, 8, 8, 8, 8, 8, 7, 5, 7, 6, 6, 1]);
}

#[test]
fn a_home_that_cannot_be_used_is_told() {
    let refused = Some(error(ErrorCode::Home));
    let program = Program { refused, ..Program::with(Node::default()) };
    for arguments in [&[][..], &["status"], &["list"], &["search", "water"], &["centre", "list"]] {
        assert_eq!(run(&program, arguments).exit, 5, "{arguments:?}");
    }
}

#[test]
fn nobody_reading_is_no_error() {
    struct Gone;
    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for arguments in [&["baraza", "--help"][..], &["baraza", "peers"], &["baraza", "demo"]] {
        let program = Program::with(Node::default().json("GET /v1/peers", &PeersReply::default()));
        let mut err = Vec::new();
        let mut screen = Screen {
            out: &mut Gone,
            err: &mut err,
            answers: None,
            columns: None,
            out_colour: false,
            err_colour: false,
            progress: false,
            now: NOW,
        };
        let exit = run_on(arguments.iter().map(OsString::from), &program, &mut screen);
        assert_eq!((exit, err.as_slice()), (0, &b""[..]), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_undone_is_asked_for() {
    for (arguments, person, exit, done) in [
        (&["repair"][..], None, 2, false),
        (&["repair", "--yes"], None, 0, true),
        (&["repair"], Some(vec!["y"]), 0, true),
        (&["repair"], Some(vec![""]), 0, false),
        (&["repair"], Some(vec!["no"]), 0, false),
        (&["repair"], Some(vec![]), 2, false),
    ] {
        let program = Program::with(Node::default());
        let Shown { exit: code, .. } = run_with(&program, arguments, person.map(Person), None);
        assert_eq!((code, !program.done.borrow().is_empty()), (exit, done), "{arguments:?}");
    }
}
