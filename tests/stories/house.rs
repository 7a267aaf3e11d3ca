//! The repository keeps its own rules.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use harness::repository;

#[test]
fn imports_run_one_way_only() -> Result<()> {
    let imports = repository::imports(&repository::metadata()?);
    assert!(
        imports.len() >= 9,
        "only {} packages were found",
        imports.len()
    );
    assert_eq!(repository::wrong_arrows(&imports), Vec::<String>::new());
    Ok(())
}

#[test]
fn the_pure_rooms_are_reached_by_nothing_that_does_io() -> Result<()> {
    let found = repository::impure_reaches(&repository::metadata()?)?;
    assert_eq!(found, Vec::<String>::new());
    Ok(())
}

#[test]
fn every_promise_in_semantics_md_names_a_test_that_exists() -> Result<()> {
    let root = repository::root()?;
    let file = root.join("docs/semantics.md");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let tests = repository::tests(&root)?;
    let promises = repository::promises(&text);
    assert!(!promises.is_empty(), "docs/semantics.md promises nothing");
    let mut wrong = BTreeSet::new();
    for promise in promises {
        if promise.tests.is_empty() {
            wrong.insert(format!("{:?} names no test", promise.words));
        }
        for name in promise.tests.iter().filter(|name| !tests.contains(*name)) {
            wrong.insert(format!(
                "{:?} names {name}, which does not exist",
                promise.words
            ));
        }
    }
    assert_eq!(wrong, BTreeSet::new());
    Ok(())
}
