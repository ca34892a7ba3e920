//! Every function of the header is bound, and has a symbol.
#![cfg(any(feature = "vendored", feature = "system"))]

use crate::table::FUNCTIONS;
use crate::{assert_same_names, compiler};

#[test]
fn every_function_of_the_header_is_in_the_crate() {
    let in_c = functions_of(&compiler::preprocessed());
    let in_rust: Vec<_> = FUNCTIONS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_same_names("functions", &in_c, &in_rust);
    assert_eq!(in_rust.len(), 231, "liburing 2.15 has 231 functions");
}

#[test]
fn every_function_of_the_crate_has_an_address_of_its_own() {
    // That the test links says that the symbols exist. Two names at one address
    // would mean that the table is wrong.
    let mut addresses: Vec<_> = FUNCTIONS
        .iter()
        .map(|(_, address)| address.addr())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), FUNCTIONS.len());
    assert_ne!(addresses.first(), Some(&0));
}

/// Names of the functions that the text declares or defines and that another file can call.
fn functions_of(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for item in items(text) {
        let words: Vec<_> = item.split_whitespace().collect();
        let private = matches!(words.first(), None | Some(&("static" | "typedef")));
        // `int name(int a)`: the word before the first parenthesis.
        let Some((head, _)) = item.split_once('(').filter(|_| !private) else {
            continue;
        };
        let name = head
            .trim_end()
            .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        if !name.is_empty() && !names.contains(&name.to_owned()) {
            names.push(name.to_owned());
        }
    }
    names
}

/// What stands outside of braces, cut where an item ends.
fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0;
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            // The end of a declaration.
            ';' if depth == 0 => items.push(String::new()),
            _ if depth == 0 => items
                .last_mut()
                .expect("there is always one")
                .push(character),
            _ => {}
        }
        // The end of a definition; a struct's is followed by a semicolon, which cuts once more.
        if character == '}' && depth == 0 {
            items.push(String::new());
        }
    }
    items
}
