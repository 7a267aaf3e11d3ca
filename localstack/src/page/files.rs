//! The built files.

use std::path::{Path, PathBuf};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// Largest file that is served, in bytes: the whole page is a tenth of it.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Names with a hash of their content in them never change.
const ASSETS: &str = "assets";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Asked for again each time; the answer may be "not changed" only where nobody cached it.
const EACH_TIME: &str = "no-cache";

/// The page itself.
pub(super) fn index(folder: &Path) -> PathBuf {
    folder.join("dist").join("index.html")
}

/// The file that a path names.
pub(super) async fn answer(folder: &Path, path: &str) -> Response {
    match read(folder, path).await {
        Some((file, content)) => {
            let assets = folder.join("dist").join(ASSETS);
            let cache = if file.starts_with(assets) {
                FOR_EVER
            } else {
                EACH_TIME
            };
            let headers = [
                (header::CONTENT_TYPE, media_type(&file)),
                (header::CACHE_CONTROL, cache),
            ];
            (headers, content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn read(folder: &Path, path: &str) -> Option<(PathBuf, Vec<u8>)> {
    let file = match path {
        "/" => index(folder),
        path => locate(folder, path)?,
    };
    let about = tokio::fs::metadata(&file).await.ok()?;
    if !about.is_file() || about.len() > MAX_FILE_BYTES {
        return None;
    }
    let content = tokio::fs::read(&file).await.ok()?;
    Some((file, content))
}

/// Below `dist`, by plain names only: no way up, nothing hidden, nothing encoded.
fn locate(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut file = folder.join("dist");
    for name in path.strip_prefix('/')?.split('/') {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if name.is_empty() || name.starts_with('.') || !plain {
            return None;
        }
        file.push(name);
    }
    Some(file)
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
