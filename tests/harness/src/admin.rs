//! An edge's admin port: health, readiness, metrics.

use anyhow::{Context as _, Result, ensure};

use crate::api::client;

/// Status and body of a page on the admin port at this URL.
///
/// # Errors
/// When it does not answer.
pub async fn page(admin: &str, path: &str) -> Result<(u16, String)> {
    let admin = admin.trim_end_matches('/');
    let answer = client().get(format!("{admin}{path}")).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The Prometheus page.
///
/// # Errors
/// When it does not answer.
pub async fn metrics_page(admin: &str) -> Result<String> {
    let (status, page) = page(admin, "/metrics").await?;
    ensure!(status == 200, "/metrics answered {status}");
    Ok(page)
}

/// A counter or gauge on the Prometheus page; 0 where it is not there.
///
/// # Errors
/// When the page does not answer, or the value is no whole number.
pub async fn metric(admin: &str, name: &str) -> Result<u64> {
    let page = metrics_page(admin).await?;
    let mut values = (page.lines()).filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = values.next().unwrap_or("0");
    value
        .trim()
        .parse()
        .with_context(|| format!("{name} is {value}"))
}
