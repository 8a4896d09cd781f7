//! Drafts that stay on the node, and several people of one machine at one node.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::harness::{Run, Scene, Site, agree, lesson};

/// Nobody writes this by chance.
const PHRASE: &str = "zebrafinch-4711-quagga";

/// Returns the files below a folder that contain the phrase.
fn files_with_phrase(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with_phrase(&path));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(PHRASE.len()).any(|window| window == PHRASE.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

/// Adds a section to the configuration.
fn configure(site: &Site, section: &str) {
    let path = site.home.join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n[staff]\n{section}\n")).unwrap();
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[test]
fn nothing_leaves_before_the_release() {
    let scene = Scene::new();
    let (alice, bob) = (scene.centre("alice"), scene.centre("bob"));
    let node = alice.start(&[]);
    let other = bob.start(&[&node.address]);
    let file = scene.file("tank.md", lesson("Tanks", PHRASE));
    let first = alice.publish(&scene.file("a.md", lesson("Pumps", "It worked."))).len();
    assert_eq!(first, 1);
    let draft = text(&alice.json(&["draft", "import", &file])[0]["id"]);
    assert_eq!(alice.json(&["draft", "submit", &draft])["refused"], false);
    agree(&[&alice, &bob], 1);
    assert_eq!(alice.json(&["search", PHRASE]), serde_json::json!([]));
    let kept = alice.home.join("drafts").join(format!("{draft}.json"));
    let found = files_with_phrase(&alice.home);
    assert_eq!(found, std::slice::from_ref(&kept), "while the daemon runs");
    assert_eq!(files_with_phrase(&bob.home), Vec::<PathBuf>::new());
    other.stop();
    node.stop();
    assert_eq!(files_with_phrase(&alice.home), [kept], "and when all is flushed");

    let published = alice.json(&["draft", "release", &draft[..4]]);
    assert_eq!(published[0]["title"], "Tanks");
    assert_eq!(alice.json(&["draft", "list"])["drafts"], serde_json::json!([]));
    let found = files_with_phrase(&alice.home);
    assert!(found.iter().any(|path| path.starts_with(alice.home.join("ledger"))), "{found:?}");
    assert!(!found.iter().any(|path| path.starts_with(alice.home.join("drafts"))), "{found:?}");
    let log = alice.json(&["staff", "log"]);
    let actions = log.as_array().unwrap().iter().map(|entry| text(&entry["action"]));
    let actions: Vec<_> = actions.collect();
    assert_eq!(actions, ["publish", "draft import", "draft submit", "draft release"]);
}

#[test]
fn one_person_alone_cannot_publish_where_two_are_needed() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    configure(&alice, "two_person = true");
    let file = scene.file("tank.md", lesson("Tanks", "It worked."));
    let refused = alice.run(&["publish", &file]);
    assert_eq!(refused.code, 8, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("baraza draft import"), "{}", refused.err);
    let draft = text(&alice.json(&["draft", "import", &file])[0]["id"]);
    for submitted in [false, true] {
        let refused = alice.run(&["draft", "release", &draft]);
        assert_eq!(refused.code, 8, "submitted {submitted}: {}{}", refused.out, refused.err);
        alice.json(&["draft", "submit", &draft]);
    }
    assert_eq!(alice.json(&["status"])["records"], 0);
    assert_eq!(alice.json(&["draft", "list"])["drafts"][0]["state"], "submitted");
}

#[test]
fn a_draft_that_does_not_parse_leaves_the_old_one() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let file = scene.file("tank.md", lesson("Tanks", "It worked."));
    let draft = text(&alice.json(&["draft", "import", &file])[0]["id"]);
    let bad = scene.file("bad.md", "---\nkind: lesson\ntitel: Tanks\n---\n");
    let refused = alice.run(&["draft", "edit", &draft, &bad]);
    assert_eq!(refused.code, 3, "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("titel"), "{}", refused.out);
    let shown = alice.json(&["draft", "show", &draft]);
    assert_eq!((&shown["body"]["title"], &shown["version"]), (&"Tanks".into(), &1.into()));
    let markdown = alice.run(&["draft", "show", &draft, "--markdown"]).out;
    let edited = scene.file("next.md", markdown.replace("It worked.", "It leaked."));
    alice.json(&["draft", "edit", &draft, &edited]);
    assert_eq!(alice.json(&["draft", "show", &draft])["body"]["event"], "It leaked.");
    let without_terminal = alice.run(&["draft", "edit", &draft]);
    assert_eq!(without_terminal.code, 2, "{}", without_terminal.err);
    let unsure = alice.run(&["draft", "discard", &draft]);
    assert_eq!(unsure.code, 2, "{}", unsure.err);
    alice.json(&["draft", "discard", &draft, "--yes"]);
    assert_eq!(alice.run(&["draft", "show", &draft]).code, 4);
}

#[test]
fn a_draft_is_edited_on_a_terminal_and_no_text_is_lost() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no `script` to make a terminal");
        return;
    }
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let file = scene.file("tank.md", lesson("Tanks", "It worked."));
    let draft = text(&alice.json(&["draft", "import", &file])[0]["id"]);
    let folder = scene.path().join("tmp");
    fs::create_dir(&folder).unwrap();
    let left =
        || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let edit = |editor: &str| {
        let program = env!("CARGO_BIN_EXE_baraza");
        let line = format!("{program} --home {} draft edit {draft}", alice.home.display());
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("EDITOR", editor).env_remove("VISUAL");
        let output = command.env("TMPDIR", &folder).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), said)
    };
    let event = || text(&alice.json(&["draft", "show", &draft])["body"]["event"]);

    let (code, said) = edit("sed -i s/worked\\./leaked./");
    assert_eq!((code, event().as_str()), (0, "It leaked."), "{said}");
    let (code, said) = edit("true");
    assert!(code == 0 && said.contains("Nothing was changed"), "{said}");
    let (code, said) = edit("false");
    assert!(code == 2 && said.contains("`false` failed"), "{said}");
    assert_eq!(left(), Vec::<PathBuf>::new(), "what was taken is not left behind");

    let (code, said) = edit("sed -i -e s/polarity/polarty/ -e s/leaked/burst/");
    assert!(code == 3 && said.contains("polarty"), "{said}");
    assert_eq!(event(), "It leaked.", "the old draft stays");
    let kept = left();
    assert!(said.contains(kept[0].to_str().unwrap()), "{said}");
    assert!(fs::read_to_string(&kept[0]).unwrap().contains("It burst."));
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
}

/// The group of the staff's socket, and accounts that no system has.
const GROUP: u32 = 12_000;
const AMINA: u32 = 12_001;
const BRIAN: u32 = 12_002;
const RITA: u32 = 12_003;
const MALLORY: u32 = 12_004;

/// Staff who cannot enter the home: they have the program, a file and the socket.
struct Office {
    scene: Scene,
    socket: PathBuf,
    program: PathBuf,
}

impl Office {
    fn new() -> Self {
        let scene = Scene::new();
        fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = scene.path().join("baraza");
        let built = Path::new(env!("CARGO_BIN_EXE_baraza"));
        fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(|_| ())).unwrap();
        Self { socket: scene.path().join("api.sock"), program, scene }
    }

    /// Runs a command as another account.
    fn run(&self, uid: u32, gid: u32, arguments: &[&str]) -> Run {
        let output = Command::new(&self.program)
            .arg("--socket")
            .arg(&self.socket)
            .args(["--json", "--yes"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .env_clear()
            .uid(uid)
            .gid(gid)
            .output()
            .unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn done(&self, uid: u32, arguments: &[&str]) -> Value {
        let run = self.run(uid, GROUP, arguments);
        assert_eq!(run.code, 0, "{uid} {arguments:?}: {}{}", run.out, run.err);
        serde_json::from_str(&run.out).unwrap()
    }

    #[track_caller]
    fn refused(&self, uid: u32, arguments: &[&str], code: &str) {
        let run = self.run(uid, GROUP, arguments);
        assert_eq!(run.code, 8, "{uid} {arguments:?}: {}{}", run.out, run.err);
        let told: Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!(told["code"], code, "{uid} {arguments:?}: {told}");
    }
}

#[test]
fn several_people_of_one_machine_share_a_node_and_each_has_a_role() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can call as several accounts");
        return;
    }
    let office = Office::new();
    let alice = office.scene.centre("alice");
    let members = [(AMINA, "drafter"), (BRIAN, "publisher"), (RITA, "reader")]
        .map(|(user, role)| format!("[[staff.member]]\nuser = \"{user}\"\nrole = \"{role}\"\n"));
    let socket = office.socket.display();
    let section = format!(
        "two_person = true\nsocket = \"{socket}\"\ngroup = \"{GROUP}\"\n{}",
        members.concat()
    );
    configure(&alice, &section);
    let node = alice.start(&[]);
    let mode = fs::metadata(&office.socket).unwrap().permissions().mode() & 0o777;
    let own = fs::metadata(alice.home.join("api.sock")).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, own), (0o660, 0o600));

    // Amina drafts, Brian releases, Rita reads, Mallory is in the group and not listed.
    let file = office.scene.file("tank.md", lesson("Tanks", "It worked."));
    let draft = text(&office.done(AMINA, &["draft", "import", &file])[0]["id"]);
    office.done(AMINA, &["draft", "submit", &draft]);
    office.refused(AMINA, &["draft", "release", &draft], "no-role");
    office.refused(AMINA, &["publish", &file], "no-role");
    office.refused(BRIAN, &["publish", &file], "second-person");
    office.refused(RITA, &["draft", "list"], "no-role");
    office.refused(MALLORY, &["status"], "no-role");
    office.refused(BRIAN, &["unlock", "--passphrase-file", &file], "no-role");
    office.refused(BRIAN, &["staff", "log"], "no-role");
    let outside = office.run(AMINA, MALLORY, &["status"]);
    assert_eq!(outside.code, 8, "not in the group: {}{}", outside.out, outside.err);
    let record = text(&office.done(BRIAN, &["draft", "release", &draft])[0]["id"]);
    assert_eq!(office.done(RITA, &["show", &record])["title"], "Tanks");

    // What Brian withdraws waits for somebody else.
    let retraction = office.done(BRIAN, &["retract", &record, "--reason", "error"]);
    let draft = text(&retraction["id"]);
    assert_eq!(office.done(RITA, &["show", &record])["standing"], "current");
    office.refused(BRIAN, &["draft", "release", &draft], "second-person");
    alice.json(&["draft", "release", &draft, "--yes"]);
    assert_eq!(office.done(RITA, &["show", &record])["standing"], "retracted");

    let staff = office.done(AMINA, &["staff", "list"]);
    assert_eq!(staff["you"], serde_json::json!({ "user": AMINA.to_string(), "role": "drafter" }));
    let log = alice.json(&["staff", "log"]);
    let line = |entry: &Value| {
        format!("{} {} {}", entry["uid"], text(&entry["action"]), text(&entry["outcome"]))
    };
    let lines: Vec<_> = log.as_array().unwrap().iter().map(line).collect();
    let expected = [
        "12001 draft import done",
        "12001 draft submit done",
        "12001 draft release no-role",
        "12001 publish no-role",
        "12002 publish second-person",
        "12002 unlock no-role",
        "12002 draft release done",
        "12002 retract second-person",
        "12002 draft retract done",
        "12002 draft release second-person",
        "0 draft release done",
    ];
    assert_eq!(lines, expected);
    node.stop();
    assert!(!office.socket.exists(), "the socket goes with the node");
    assert_eq!(office.run(AMINA, GROUP, &["status"]).code, 7, "nobody listens");
}

#[test]
fn a_staff_section_that_cannot_work_stops_the_start_and_says_why() {
    let scene = Scene::new();
    for (section, word) in [
        ("group = \"root\"", "staff.socket"),
        ("socket = \"/run/no-such-folder/a.sock\"\ngroup = \"no-such-group\"", "no-such-group"),
        ("socket = \"/run/no-such-folder/a.sock\"\ngroup = \"0\"", "no-such-folder"),
        ("[[staff.member]]\nuser = \"amina\"\nrole = \"king\"", "king"),
        ("[[staff.member]]\nuser = \"amina\"\nrole = \"owner\"", "owner"),
    ] {
        let site = scene.centre(&format!("centre {}", word.len()));
        configure(&site, section);
        let run = site.run(&["start", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        assert_eq!(run.code, 5, "{section}: {}{}", run.out, run.err);
        assert!(run.err.contains(word), "{section}: {}", run.err);
    }
}
