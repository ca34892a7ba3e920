//! The order that the documentation of every operation keeps.
//!
//! One line of meaning; the opcode, the kernel release and the manual page; what
//! the kernel touches; the result; the errors, where some are worth knowing; an example.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::scan;

/// The attribute by which a type says that it is an operation.
const MARK: &str = "an operation does nothing until it is pushed";

/// The headings, in order, and whether each has to be there.
const SECTIONS: &[(&str, bool)] = &[
    ("# Kernel access", true),
    ("# Result", true),
    ("# Errors", false),
    ("# Examples", true),
];

/// Fails with each operation whose page misses something; says how many there are.
pub(super) fn check(folder: &Path) -> Result<usize> {
    let mut files = Vec::new();
    scan::collect(folder, &mut files)?;
    files.sort();
    let mut seen = 0;
    let mut faults = Vec::new();
    for file in files {
        let (count, found) = faults_in(&fs::read_to_string(&file)?);
        seen += count;
        faults.extend(found);
    }
    ensure!(
        faults.is_empty(),
        "documentation of operations:\n    {}",
        faults.join("\n    ")
    );
    Ok(seen)
}

/// The number of operations in a file, and what their pages miss.
fn faults_in(text: &str) -> (usize, Vec<String>) {
    let mut seen = 0;
    let mut faults = Vec::new();
    let mut page = Vec::new();
    let mut marked = false;
    let mut in_attribute = false;
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("///") {
            page.push(words.trim());
            continue;
        }
        if line.starts_with("#[") || in_attribute {
            marked |= line.contains(MARK);
            in_attribute = !line.ends_with(']');
            continue;
        }
        if marked {
            let name = scan::item(line).unwrap_or(line);
            seen += 1;
            faults.extend(fault(&page).map(|fault| format!("{name}: {fault}")));
        }
        page.clear();
        marked = false;
    }
    (seen, faults)
}

fn fault(page: &[&str]) -> Option<String> {
    let paragraphs: Vec<_> = page.split(|line| line.is_empty()).collect();
    if paragraphs[0].len() != 1 {
        return Some("does not begin with one line".to_owned());
    }
    let identity = paragraphs.get(1).map(|lines| lines.join(" "));
    let identity = identity.unwrap_or_default();
    // A variant is named by the flag that makes it one.
    if !identity.starts_with("`IORING_") {
        return Some("the second paragraph does not begin with the opcode".to_owned());
    }
    if !identity.contains("Linux ") {
        return Some("the second paragraph names no kernel release".to_owned());
    }
    if !["(2)`", "(3)`", "(4)`", "(7)`"]
        .iter()
        .any(|section| identity.contains(section))
    {
        return Some("the second paragraph names no manual page".to_owned());
    }
    // Lines of an example may begin with the same sign: they hide code.
    let mut in_code = false;
    let headings: Vec<_> = page
        .iter()
        .filter(|line| {
            in_code ^= line.starts_with("```");
            !in_code && line.starts_with("# ")
        })
        .copied()
        .collect();
    let known: Vec<_> = SECTIONS
        .iter()
        .map(|&(title, _)| title)
        .filter(|title| headings.contains(title))
        .collect();
    if let Some((missing, _)) = SECTIONS
        .iter()
        .find(|&&(title, needed)| needed && !known.contains(&title))
    {
        return Some(format!("has no `{missing}`"));
    }
    let ordered: Vec<_> = headings
        .into_iter()
        .filter(|heading| known.contains(heading))
        .collect();
    (ordered != known).then(|| format!("has its sections in another order: {ordered:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
/// Does nothing.
///
/// `IORING_OP_NOP`, Linux 5.1. See `io_uring_prep_nop(3)`.
///
/// # Kernel access
///
/// None.
///
/// # Result
///
/// Zero.
///
/// # Examples
///
/// ```
/// # Ok(())
/// ```
#[derive(Clone, Copy)]
#[must_use = \"an operation does nothing until it is pushed\"]
pub struct Nop {
";

    #[test]
    fn a_whole_page_has_no_fault() {
        assert_eq!(faults_in(GOOD), (1, Vec::new()));
    }

    #[test]
    fn each_missing_part_is_a_fault() {
        for (part, fault) in [
            (", Linux 5.1", "kernel release"),
            ("`IORING_OP_NOP`", "opcode"),
            ("`io_uring_prep_nop(3)`", "manual page"),
            ("# Kernel access", "Kernel access"),
            ("# Result", "Result"),
            ("# Examples", "Examples"),
        ] {
            let (_, faults) = faults_in(&GOOD.replace(part, ""));
            assert!(
                faults.len() == 1 && faults[0].contains(fault),
                "{part}: {faults:?}"
            );
        }
        let swapped = GOOD
            .replace("# Result", "# Other")
            .replace("# Kernel access", "# Result")
            .replace("# Other", "# Kernel access");
        let (_, faults) = faults_in(&swapped);
        assert!(faults[0].contains("another order"), "{faults:?}");
    }
}
