//! No bytes panic a reader, and what is read can be written and read again.
//!
//! Spec: docs/FORMATS.md, drafts.

use baraza_record::Kind;

use crate::{initiatives, parse, to_markdown};

const MARKDOWN: &str = "---\nkind: practice\nlanguage: sw\ntitle: 'a: b'\ncountries: [KE, \"UG\"]\n\
    results:\n  - statement: |\n      x\n       y\n    value: 17.10\n  - value: 4\nresources:\n  in_kind:\n  - a\n\
    ext: {\"a\": [1]}\nother: {\"b\": 2}\n---\n# a: b\n\n## Summary\n\n\\## x\n<!-- c -->\n\n## Lessons\n- a\n- b\n";
const TABLE: &str = "\n\"kind\";title;countries;results.0.value;results.1.statement;resources.staff;ext\n\
    practice;\"a\n\"\"b\"\"\";KE|UG;17.10;x;y;{\"a\":1}\n;;;;;;\npractice;a;;;;;\n";
const JSON: &str =
    r#"[{"kind":"lesson","title":"\u00e9","x":{"y":[1,null]}},{"schema":"practice/1"}]"#;
const LINES: &str = "{\"kind\":\"lesson\",\"title\":\"a\"}\n{\"schema\":\"practice/1\"}\n";

/// Pieces that mean something in one of the formats.
const PIECES: &[&[u8]] = &[
    b"---\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b"  ",
    b": ",
    b":",
    b"- ",
    b"|",
    b"\"",
    b"'",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b";",
    b"# ",
    b"## ",
    b"\\",
    b"<!--",
    b"-->",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"kind: lesson\n",
    b"title",
    b"results.99.value",
    b"other: ",
    b"1e999",
    b"\xe2\x80\xae",
];

struct XorShift(u64);

impl XorShift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

#[test]
fn no_bytes_panic_a_reader() {
    let seeds = [
        ("d.md", MARKDOWN),
        ("d.csv", TABLE),
        ("d.json", JSON),
        ("d.json", LINES),
        ("d.jsonl", LINES),
    ];
    let seed = 0x2009_1201_c0de;
    println!("seed {seed:#x}");
    let mut random = XorShift(seed);
    let mut read = 0;
    for round in 0..20_000 {
        let (name, text) = seeds[round % seeds.len()];
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        let _ = initiatives(&bytes);
        for row in parse(name, &bytes, Some(Kind::LESSON)).unwrap_or_default() {
            let draft = match row {
                Ok(draft) => draft,
                Err(error) => {
                    assert!(error.to_string().len() < 1_000, "{error}");
                    continue;
                }
            };
            let text = to_markdown(&draft);
            let mut again = parse("d.md", text.as_bytes(), None).unwrap().remove(0).unwrap();
            again.source = draft.source.clone();
            assert_eq!(again, draft, "round {round}: {text}");
            read += 1;
        }
    }
    // Were nearly all refused at once, the loop would show little.
    assert!(5_000 < read, "{read} drafts read");
}

fn mutate(bytes: &mut Vec<u8>, random: &mut XorShift) {
    let at = random.below(bytes.len() + 1);
    let end = at + random.below(8).min(bytes.len() - at);
    match random.below(4) {
        0 => drop(bytes.drain(at..end)),
        1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
        2 => drop(bytes.splice(at..end, bytes[at..end].repeat(2))),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}
