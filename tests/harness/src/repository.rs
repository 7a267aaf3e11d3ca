//! What the repository promises about itself: which package may import which, and that every
//! promise in docs/semantics.md has a test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Who may import whom (docs/ARCHITECTURE.md). A package that is not listed is an error, so that a
/// new room is put in its place.
const ARROWS: &[(&str, &[&str])] = &[
    ("stream-sync-domain", &[]),
    ("stream-sync-rtmp", &[]),
    ("stream-sync-contract", &["stream-sync-domain"]),
    ("stream-sync-store", &["stream-sync-domain"]),
    (
        "stream-sync-notify",
        &[
            "stream-sync-domain",
            "stream-sync-contract",
            "stream-sync-store",
        ],
    ),
    (
        "stream-sync-functions",
        &[
            "stream-sync-domain",
            "stream-sync-contract",
            "stream-sync-store",
            "stream-sync-notify",
        ],
    ),
    (
        "edge-ingest",
        &[
            "stream-sync-domain",
            "stream-sync-contract",
            "stream-sync-store",
            "stream-sync-notify",
            "stream-sync-rtmp",
        ],
    ),
    ("stream-sync", EVERYTHING),
    ("stream-sync-tests", EVERYTHING),
    ("stream-sync-load", EVERYTHING),
    ("stream-sync-model", &["stream-sync-domain"]),
    // Its actors stand in for everything else.
    ("stream-sync-simulator", &["stream-sync-domain"]),
];
/// For what puts the rooms together, and for tests of the whole.
const EVERYTHING: &[&str] = &["*"];
/// The rooms that do no I/O and have no clock, and what must not even reach them through others.
const PURE: &[&str] = &[
    "stream-sync-domain",
    "stream-sync-rtmp",
    "stream-sync-contract",
];
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "reqwest",
    "aws-config",
    "aws-sdk-dynamodb",
    "redis",
];
/// Folders that hold no tests of ours.
const NOT_OURS: &[&str] = &["target", "node_modules", "dist", ".git"];

/// The workspace's root folder.
///
/// # Errors
/// When this package was moved.
pub fn root() -> Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(tests
        .parent()
        .context("tests lies in no folder")?
        .to_owned())
}

/// What `cargo metadata` says of the workspace on this machine's kind of platform, without a network:
/// what only other platforms need was never downloaded.
///
/// # Errors
/// When cargo or rustc fails.
pub fn metadata() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root()?.join("Cargo.toml"));
    let options = ["--offline", "--locked", "--filter-platform"].map(str::to_owned);
    command.other_options([&options[..], &[platform()?]].concat());
    Ok(command.exec()?)
}

fn platform() -> Result<String> {
    let rustc = std::process::Command::new("rustc")
        .args(["--print", "host-tuple"])
        .output()?;
    ensure!(rustc.status.success(), "rustc does not say its platform");
    Ok(String::from_utf8(rustc.stdout)?.trim().to_owned())
}

/// Each package of the workspace with those it imports, tests of its own included.
#[must_use]
pub fn imports(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let imports_of = |package: &cargo_metadata::Package| {
        let names = package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.clone());
        names.filter(|name| ours.contains(name.as_str())).collect()
    };
    packages
        .iter()
        .map(|package| (package.name.to_string(), imports_of(package)))
        .collect()
}

/// The imports that run the wrong way.
#[must_use]
pub fn wrong_arrows(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (package, imported) in imports {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == package) else {
            wrong.push(format!("{package} has no place among the rooms"));
            continue;
        };
        let bad = imported
            .iter()
            .filter(|name| *allowed != EVERYTHING && !allowed.contains(&name.as_str()));
        wrong.extend(bad.map(|name| format!("{package} imports {name}")));
    }
    wrong
}

/// Crates for I/O that reach a pure room, be it through others. Test dependencies do not count.
///
/// # Errors
/// When cargo did not resolve the dependencies.
pub fn impure_reaches(metadata: &Metadata) -> Result<Vec<String>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("no dependencies were resolved")?;
    let name_of = |id: &cargo_metadata::PackageId| metadata[id].name.to_string();
    let mut found = Vec::new();
    for room in PURE {
        let start = resolve.nodes.iter().find(|node| name_of(&node.id) == *room);
        let mut open = vec![start.with_context(|| format!("{room} is gone"))?];
        let mut seen = BTreeSet::new();
        while let Some(node) = open.pop() {
            if !seen.insert(&node.id) {
                continue;
            }
            let name = name_of(&node.id);
            if IMPURE.contains(&name.as_str()) {
                found.push(format!("{room} is reached by {name}"));
            }
            let normal = node.deps.iter().filter(|dependency| {
                dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            });
            open.extend(normal.filter_map(|dependency| {
                resolve.nodes.iter().find(|node| node.id == dependency.pkg)
            }));
        }
    }
    Ok(found)
}

/// One promise of docs/semantics.md: a heading, and the tests that its section names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The heading.
    pub words: String,
    /// What stands after `Test:` or `Tests:`, each in backticks.
    pub tests: Vec<String>,
}

/// Every heading below the title with the tests that its section names.
///
/// A section that groups promises (a heading followed by deeper ones before any text of its own
/// names a test) is no promise itself.
#[must_use]
pub fn promises(markdown: &str) -> Vec<Promise> {
    let mut promises: Vec<(usize, Promise)> = Vec::new();
    let mut listing = false;
    for line in markdown.lines() {
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if level >= 2 && line[level..].starts_with(' ') {
            promises.pop_if(|(above, promise)| *above < level && promise.tests.is_empty());
            let words = line[level..].trim().to_owned();
            let tests = Vec::new();
            promises.push((level, Promise { words, tests }));
        }
        let starts = ["Test:", "Tests:"]
            .iter()
            .any(|word| line.starts_with(word));
        if let (true, Some((_, promise))) = (starts || listing, promises.last_mut()) {
            promise.tests.extend(in_backticks(line));
        }
        // A list of names goes on where its line ends with a comma.
        listing = (starts || listing) && line.ends_with(',');
    }
    promises.into_iter().map(|(_, promise)| promise).collect()
}

fn in_backticks(line: &str) -> impl Iterator<Item = String> {
    line.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The words after `ffmpeg` of the first such command in `text`, its lines joined.
#[must_use]
pub fn ffmpeg_command(text: &str) -> Option<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    joined.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_command = |pair: &[&str]| {
            pair[0] == "ffmpeg" && pair[1].starts_with('-') && !pair[1].starts_with("--")
        };
        let place = words.windows(2).position(is_command)?;
        Some(
            words[place + 1..]
                .iter()
                .map(|word| (*word).to_owned())
                .collect(),
        )
    })
}

/// The names of all test functions in the repository's Rust sources, and the titles of all tests in
/// its TypeScript and JavaScript ones.
///
/// # Errors
/// When a source cannot be read.
pub fn tests(root: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() && !NOT_OURS.contains(&name.as_str()) {
                open.push(path);
            } else if name.ends_with(".rs") {
                found.extend(rust_tests(&std::fs::read_to_string(&path)?));
            } else if [".ts", ".tsx", ".mjs"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                found.extend(script_tests(&std::fs::read_to_string(&path)?));
            }
        }
    }
    ensure!(!found.is_empty(), "no tests below {}", root.display());
    Ok(found)
}

/// Functions that directly follow a line with a test attribute (or, in `proptest!`, the same).
fn rust_tests(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut after_attribute = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            after_attribute = true;
        } else if after_attribute && !line.starts_with("#[") {
            after_attribute = false;
            let signature = line
                .strip_prefix("async ")
                .unwrap_or(line)
                .strip_prefix("fn ");
            let name = signature.and_then(|rest| rest.split(['(', '<']).next());
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

/// The first quoted argument of `test(` and `it(`.
fn script_tests(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in source.lines().map(str::trim) {
        let rest = line
            .strip_prefix("test(")
            .or_else(|| line.strip_prefix("it("));
        let Some(rest) = rest else { continue };
        let Some(quote) = rest.chars().next().filter(|first| "\"'`".contains(*first)) else {
            continue;
        };
        names.extend(rest[1..].split(quote).next().map(str::to_owned));
    }
    names
}

#[cfg(test)]
mod unit {
    use super::*;

    fn graph(package: &str, imports: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        let imports = imports.iter().map(|name| (*name).to_owned()).collect();
        BTreeMap::from([(package.to_owned(), imports)])
    }

    #[test]
    fn an_arrow_that_runs_the_wrong_way_is_found() {
        let wrong = wrong_arrows(&graph(
            "edge-ingest",
            &["stream-sync-store", "stream-sync-functions"],
        ));
        assert_eq!(wrong, ["edge-ingest imports stream-sync-functions"]);
        let wrong = wrong_arrows(&graph("stream-sync-domain", &["stream-sync-contract"]));
        assert_eq!(wrong, ["stream-sync-domain imports stream-sync-contract"]);
    }

    #[test]
    fn a_room_without_a_place_is_found() {
        let wrong = wrong_arrows(&graph("stream-sync-attic", &[]));
        assert_eq!(wrong, ["stream-sync-attic has no place among the rooms"]);
    }

    #[test]
    fn promises_are_the_headings_that_group_no_others() {
        let text = "# Title\n\n## Group\nWords.\n### One holds\nWhy `x`.\nTest: `a_test`\n### Two\n\
                    ## Three\nTests: `b`,\n`c`\nNot `d`.\n";
        let promise = |words: &str, tests: &[&str]| Promise {
            words: words.to_owned(),
            tests: tests.iter().map(|name| (*name).to_owned()).collect(),
        };
        let expected = [
            promise("One holds", &["a_test"]),
            promise("Two", &[]),
            promise("Three", &["b", "c"]),
        ];
        assert_eq!(promises(text), expected);
    }

    #[test]
    fn a_command_for_ffmpeg_may_go_on_over_lines_and_is_told_from_prose() {
        let text =
            "OBS, ffmpeg --RTMP--> edge\n  ffmpeg   ffmpeg -re -i a \\\n      -f flv rtmp://b/c\n";
        let words = ffmpeg_command(text).unwrap();
        assert_eq!(words, ["-re", "-i", "a", "-f", "flv", "rtmp://b/c"]);
    }

    #[test]
    fn test_functions_are_told_from_others() {
        let source = "fn helper() {}\n#[test]\nfn one() {}\n#[tokio::test(start_paused = true)]\n\
                      #[allow(dead_code)]\nasync fn two() {}\n#[test]\nfn three(seed: u64) {}\n";
        assert_eq!(rust_tests(source), ["one", "two", "three"]);
        let script = "test('a page shows LIVE', () => {});\nit(\"b\", f);\nexpect(it(1));\n";
        assert_eq!(script_tests(script), ["a page shows LIVE", "b"]);
    }
}
