//! A short fuzz run that is the same each time: every file of the corpus, then a fixed number of changes of it, through the
//! functions of the fuzz targets. `cargo fuzz run <target>` goes on from the same corpus for as long as one likes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

#[path = "../fuzz/entries.rs"]
mod entries;

/// Changes tried for each file of a corpus.
const CHANGES: u64 = 400;

/// xorshift64*: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Bytes that mean much in one of the formats.
const TELLING: &[u8] =
    &[0, 1, 0x7f, 0x80, 0xff, b'"', b'[', b'{', b'(', b'h', b'R', 0x93, 0x94, 0xc1, 0xdd, 0xdf, b'N'];

fn change(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        match numbers.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            1 if !bytes.is_empty() => bytes[at] = TELLING[numbers.below(TELLING.len())],
            2 => bytes.insert(at, TELLING[numbers.below(TELLING.len())]),
            3 => bytes.truncate(at),
            4 if !bytes.is_empty() => drop(bytes.drain(at..(at + 1 + numbers.below(8)).min(bytes.len()))),
            _ => {
                let from = numbers.below(other.len());
                let to = (from + numbers.below(32)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}

fn run(target: &str, least: usize, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(corpus.len() >= least, "{target} has only {} files", corpus.len());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    entry(&[]);
    for seed in &corpus {
        entry(seed);
        for _ in 0..CHANGES {
            let mut bytes = seed.clone();
            let other = &corpus[numbers.below(corpus.len())];
            change(&mut bytes, other, &mut numbers);
            entry(&bytes);
        }
    }
}

#[test]
fn msgpack_survives_changed_bytes() {
    run("msgpack", 10, entries::msgpack);
}

#[test]
fn json_survives_changed_bytes() {
    run("json", 12, entries::json);
}

#[test]
fn pickle_survives_changed_bytes() {
    run("pickle", 36, entries::pickle);
}

#[test]
fn fernet_survives_changed_bytes() {
    run("fernet", 3, entries::fernet);
}

#[test]
fn cache_values_survive_changed_bytes() {
    run("cache_value", 15, entries::cache_value);
}

#[test]
fn frames_survive_changed_bytes() {
    run("frames", 12, entries::frames);
}

#[test]
fn packets_survive_changed_bytes() {
    run("packets", 20, entries::packets);
}

#[test]
fn heads_survive_changed_bytes() {
    run("heads", 8, entries::heads);
}

#[test]
fn names_survive_changed_bytes() {
    run("names", 8, entries::names);
}
