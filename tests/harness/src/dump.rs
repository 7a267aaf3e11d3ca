//! Everything that is kept, as text: for stories about what may not be in it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use stream_sync::database::Database;

/// Every item of every table of the DynamoDB at this URL.
///
/// # Errors
/// When it does not answer.
pub async fn tables(url: &str) -> Result<String> {
    let database = Database::Remote(url.parse()?);
    let config = store::client::config_for(&database.sdk_config().await).build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    let listed = client.list_tables().send().await;
    let listed = listed.context("the tables cannot be listed")?;
    let mut dump = String::new();
    for table in listed.table_names() {
        let mut pages = client.scan().table_name(table).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("{table} cannot be read"))?;
            for item in page.items() {
                writeln!(dump, "{table}: {item:?}")?;
            }
        }
    }
    Ok(dump)
}

/// Every file in and below a directory, with its name; what is no text as well as it goes.
///
/// # Errors
/// When one cannot be read.
pub fn files(directory: &Path) -> Result<String> {
    let mut dump = String::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        writeln!(dump, "{}", path.display())?;
        if path.is_dir() {
            dump.push_str(&files(&path)?);
        } else {
            dump.push_str(&String::from_utf8_lossy(&std::fs::read(&path)?));
            dump.push('\n');
        }
    }
    Ok(dump)
}
