//! Reads names out of Rust sources, line by line.
//!
//! The sources are our own and formatted, so no parser is needed: an attribute,
//! an item's first line and a path are each recognised by how they begin.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The functions and constants that `ring-io-sys` binds.
pub(super) fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in ["bindings.rs", "additions.rs"] {
        let text =
            fs::read_to_string(folder.join(file)).with_context(|| format!("cannot read {file}"))?;
        for line in text.lines() {
            let line = line.trim_start();
            for start in [
                "pub const ",
                "pub fn ",
                "pub unsafe fn ",
                "pub const unsafe fn ",
            ] {
                if let Some(rest) = line.strip_prefix(start) {
                    let name = word(rest);
                    if super::group_of(name).is_some() {
                        names.insert(name.to_owned());
                    }
                }
            }
        }
    }
    Ok(names)
}

/// Adds, for each name of C that an item below `folder` carries or uses, where that is.
pub(super) fn items(
    folder: &Path,
    package: &str,
    items: &mut BTreeMap<String, String>,
) -> Result<()> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let place = file.strip_prefix(folder)?.with_extension("");
        let place = place
            .to_string_lossy()
            .replace('/', "::")
            .replace("::mod", "");
        file_items(&text, &format!("{package} {place}"), items);
    }
    Ok(())
}

fn file_items(text: &str, place: &str, items: &mut BTreeMap<String, String>) {
    // Tests cover nothing; ours stand at the end of a file.
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let mut pending = Vec::new();
    let mut current = place.to_owned();
    let mut in_alias = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        in_alias |= line.contains("doc(alias");
        if in_alias {
            pending.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
            in_alias = !line.ends_with(")]");
            continue;
        }
        if let Some(name) = item(line) {
            current = format!("{place}::{name}");
            for alias in pending.drain(..) {
                items.entry(alias).or_insert_with(|| current.clone());
            }
        }
        for used in line.split("sys::").skip(1) {
            items
                .entry(word(used).to_owned())
                .or_insert_with(|| current.clone());
        }
    }
}

/// The name of the item that begins on this line, if one does.
pub(super) fn item(line: &str) -> Option<&str> {
    let mut rest = line;
    for modifier in [
        "pub(crate) ",
        "pub(super) ",
        "pub ",
        "const unsafe ",
        "unsafe ",
    ] {
        rest = rest.strip_prefix(modifier).unwrap_or(rest);
    }
    if let Some(header) = rest.strip_prefix("impl") {
        // Code in an implementation belongs to the type that is implemented.
        let header = header.split(" for ").last()?;
        let header = header.trim_start_matches(|c: char| !c.is_alphanumeric());
        return Some(word(header)).filter(|name| !name.is_empty());
    }
    [
        "const fn ",
        "fn ",
        "struct ",
        "enum ",
        "trait ",
        "type ",
        "const ",
        "macro_rules! ",
    ]
    .into_iter()
    .find_map(|keyword| rest.strip_prefix(keyword))
    .map(word)
    .filter(|name| !name.is_empty())
    // Fields that a macro makes accessors of, and variants.
    .or_else(|| rest.split_once(", set_").map(|(field, _)| word(field)))
}

pub(super) fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

pub(super) fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_belong_to_the_next_item_and_uses_to_the_enclosing_one() {
        let source = r#"
/// Mentions sys::IORING_OP_NOP in words only.
#[doc(alias(
    "io_uring_submit",
    "io_uring_enter"
))]
#[inline]
pub fn submit(&mut self) -> u32 {
    sys::IORING_ENTER_GETEVENTS
}
impl<M> Operation for Read<M> {
    const OPCODE: u8 = sys::IORING_OP_READ as u8;
}
#[cfg(test)]
mod tests {
    const X: u32 = sys::IORING_OP_WRITE;
}
"#;
        let mut items = BTreeMap::new();
        file_items(source, "ring-io sq", &mut items);
        let found: Vec<_> = items
            .iter()
            .map(|(name, item)| (name.as_str(), item.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("IORING_ENTER_GETEVENTS", "ring-io sq::submit"),
                ("IORING_OP_READ", "ring-io sq::OPCODE"),
                ("io_uring_enter", "ring-io sq::submit"),
                ("io_uring_submit", "ring-io sq::submit"),
            ]
        );
    }
}
