//! The guide, typed in: every command that it shows for a trial works in the order given.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::harness::Scene;

/// A command of the guide, or a file that it has its reader save.
enum Step {
    Type(String),
    Save(String, String),
}

/// Returns what the fenced blocks `console`, and those with the name of a file, say.
fn steps(guide: &str) -> Vec<Step> {
    let (mut steps, mut lines) = (Vec::new(), guide.lines());
    while let Some(line) = lines.next() {
        let Some(fence) = line.trim_start().strip_prefix("```") else { continue };
        let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
        match fence.split_once(' ') {
            Some((_, name)) => {
                let text = block.map(|line| format!("{line}\n")).collect();
                steps.push(Step::Save(name.to_owned(), text));
            }
            None if fence == "console" => {
                let typed = block.filter_map(|line| line.trim_start().strip_prefix("$ "));
                steps.extend(typed.map(|line| Step::Type(line.to_owned())));
            }
            None => block.for_each(drop),
        }
    }
    steps
}

#[test]
fn what_the_guide_says_works_as_it_stands() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/GUIDE.md");
    let (scene, guide) = (Scene::new(), fs::read_to_string(path).unwrap());
    let mut typed = 0;
    for step in steps(&guide) {
        let line = match step {
            Step::Save(name, text) => {
                fs::write(scene.path().join(name), text).unwrap();
                continue;
            }
            Step::Type(line) => line,
        };
        // The shell is the reader's own; only the program is ours.
        let line_here = line.replacen("baraza ", concat!(env!("CARGO_BIN_EXE_baraza"), " "), 1);
        let mut command = Command::new("sh");
        command.args(["-c", &line_here]).current_dir(scene.path()).stdin(Stdio::null());
        for name in ["BARAZA_HOME", "BARAZA_SOCKET", "BARAZA_LOG"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "$ {line}\n{said}");
        typed += 1;
    }
    assert!(20 < typed, "{typed} commands");
}
