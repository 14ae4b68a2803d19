//! Checks that the documents refer to code and tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the cells of each table row in a Markdown text, without table heads and rules.
fn rows(markdown: &str) -> Vec<Vec<&str>> {
    let mut rows = Vec::new();
    let mut in_body = false;
    for line in markdown.lines() {
        let Some(row) = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
            in_body = false;
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        if cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| c == '-' || c == ':')) {
            in_body = true;
        } else if in_body {
            rows.push(cells);
        }
    }
    rows
}

#[test]
fn rfc_table_names_files_and_tests_that_exist() {
    let text = fs::read_to_string(root().join("docs/rfc.md")).expect("docs/rfc.md is part of the tree");
    let rows = rows(&text);
    assert!(rows.len() >= 30, "docs/rfc.md has {} rows", rows.len());
    let mut faults = Vec::new();
    for row in &rows {
        let [section, file, test] = row.as_slice() else {
            faults.push(format!("not three cells: {row:?}"));
            continue;
        };
        if !root().join(file).is_file() {
            faults.push(format!("{section}: no file {file}"));
        }
        let Some((test_file, function)) = test.split_once("::") else {
            faults.push(format!("{section}: {test} is not `file::function`"));
            continue;
        };
        match fs::read_to_string(root().join(test_file)) {
            Ok(source) if source.contains(&format!("fn {function}(")) => {}
            Ok(_) => faults.push(format!("{section}: no test {function} in {test_file}")),
            Err(_) => faults.push(format!("{section}: no file {test_file}")),
        }
    }
    assert!(faults.is_empty(), "docs/rfc.md:\n{}", faults.join("\n"));
}

#[test]
fn documents_link_to_files_that_exist() {
    let mut faults = Vec::new();
    for document in ["README.md", "docs/architecture.md", "docs/rfc.md"] {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        for (_, rest) in text.match_indices("](").map(|(at, _)| text.split_at(at + 2)) {
            let link = rest.split(')').next().unwrap_or_default();
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let beside = path.parent().expect("a file has a folder").join(file);
            if !beside.exists() {
                faults.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(faults.is_empty(), "broken links:\n{}", faults.join("\n"));
}
