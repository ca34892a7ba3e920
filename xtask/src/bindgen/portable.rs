//! Makes bindgen's output the same text for every target.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use syn::parse::Parser as _;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, Ident, Item, Stmt, Type, parse_quote};

/// The condition under which there are functions.
pub(super) const FUNCTIONS: &str = r#"#[cfg(any(feature = "vendored", feature = "system"))]"#;

/// Structs with a member of the kernel's `__aligned_u64`, a 64-bit integer that
/// is aligned to 8 bytes even where C aligns such an integer to 4.
const ALIGNED: &[&str] = &[
    "io_uring_files_update",
    "io_uring_rsrc_register",
    "io_uring_rsrc_update",
    "io_uring_rsrc_update2",
];

/// Rewrites what differs between targets and formats the result.
///
/// - The `from_libc` types are imported; file offsets are `i64`.
/// - Type aliases are in alphabetical order.
/// - Anonymous enums lose the name bindgen makes up for them: it counts the
///   enums of system headers.
/// - [`ALIGNED`] structs are aligned on every target.
/// - What a target's pointer size or alignment decides is asserted only where
///   it holds.
pub(super) fn rewrite(text: &str, from_libc: &[&str]) -> Result<String> {
    let mut file = syn::parse_file(text).context("bindgen's output is not Rust")?;

    let libc: Vec<Ident> = from_libc
        .iter()
        .map(|name| quote::format_ident!("{name}"))
        .collect();
    // Functions alone take them; without a library there are none.
    let functions = attribute(FUNCTIONS)?;
    file.items
        .insert(0, parse_quote!(#functions use libc::{#(#libc),*};));

    Fold {
        anonymous: anonymous_enums(&file.items),
    }
    .visit_file_mut(&mut file);
    file.items
        .retain(|item| !matches!(item, Item::Type(alias) if is_anonymous(&alias.ident)));

    // By name: by default they stand in the order of the system's headers.
    let (mut aliases, others): (Vec<_>, Vec<_>) = file
        .items
        .drain(..)
        .partition(|item| matches!(item, Item::Type(_)));
    aliases.sort_by_key(|item| match item {
        Item::Type(alias) => alias.ident.to_string(),
        _ => String::new(),
    });
    let (imports, others): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|item| matches!(item, Item::Use(_)));
    file.items = [imports, aliases, others].concat();

    let pointers = structs_with_pointers(&file.items);
    for item in &mut file.items {
        match item {
            Item::Struct(item) if ALIGNED.contains(&item.ident.to_string().as_str()) => {
                item.attrs
                    .retain(|attribute| !attribute.path().is_ident("repr"));
                item.attrs.insert(0, parse_quote!(#[repr(C, align(8))]));
            }
            Item::Const(item) if item.ident == "_" => restrict(item, &pointers),
            _ => {}
        }
    }
    Ok(prettyplease::unparse(&file))
}

/// Parses `#[attribute]`.
pub(super) fn attribute(text: &str) -> Result<Attribute> {
    let mut attributes = Attribute::parse_outer.parse_str(text)?;
    attributes.pop().context("no attribute")
}

/// Names of enums that have none in C, with the integer type they stand for.
fn anonymous_enums(items: &[Item]) -> BTreeMap<String, Type> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Type(alias) if is_anonymous(&alias.ident) => {
                Some((alias.ident.to_string(), (*alias.ty).clone()))
            }
            _ => None,
        })
        .collect()
}

/// Whether bindgen made the name up; members of named types carry theirs in front of the number.
fn is_anonymous(name: &Ident) -> bool {
    name.to_string().starts_with("_bindgen_ty_")
}

/// Replaces types by what they stand for.
struct Fold {
    anonymous: BTreeMap<String, Type>,
}

impl VisitMut for Fold {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let Type::Path(path) = ty else { return };
        if let Some(inner) = manually_dropped(path) {
            *ty = inner;
            return;
        }
        let Some(name) = path.path.get_ident().map(ToString::to_string) else {
            return;
        };
        if let Some(integer) = self.anonymous.get(&name) {
            *ty = integer.clone();
        } else if matches!(name.as_str(), "off_t" | "loff_t") {
            *ty = parse_quote!(i64);
        }
    }
}

/// `T` of `ManuallyDrop<T>`, which bindgen puts around all fields of a union when one of them is not `Copy`.
/// Only the array without an end is not.
fn manually_dropped(path: &syn::TypePath) -> Option<Type> {
    let last = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "ManuallyDrop")?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inner)
            if !quote::quote!(#inner)
                .to_string()
                .contains("__IncompleteArrayField") =>
        {
            Some(inner.clone())
        }
        _ => None,
    }
}

/// Structs and unions whose layout follows the width of a pointer.
fn structs_with_pointers(items: &[Item]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        for item in items {
            let (name, depends) = match item {
                Item::Struct(item) => (
                    &item.ident,
                    item.fields
                        .iter()
                        .any(|field| depends_on_pointers(&field.ty, &found)),
                ),
                Item::Union(item) => (
                    &item.ident,
                    item.fields
                        .named
                        .iter()
                        .any(|field| depends_on_pointers(&field.ty, &found)),
                ),
                _ => continue,
            };
            if depends {
                found.insert(name.to_string());
            }
        }
        // A struct may come before the one it holds.
        if found.len() == before {
            return found;
        }
    }
}

/// Whether the width of a pointer decides the size of `ty`.
fn depends_on_pointers(ty: &Type, structs: &BTreeSet<String>) -> bool {
    struct Search<'a> {
        structs: &'a BTreeSet<String>,
        found: bool,
    }
    impl<'ast> Visit<'ast> for Search<'_> {
        fn visit_type_ptr(&mut self, _: &'ast syn::TypePtr) {
            self.found = true;
        }
        fn visit_ident(&mut self, name: &'ast Ident) {
            let name = name.to_string();
            self.found |= matches!(name.as_str(), "usize" | "isize" | "c_long" | "c_ulong")
                || self.structs.contains(&name);
        }
    }
    let mut search = Search {
        structs,
        found: false,
    };
    search.visit_type(ty);
    search.found
}

/// Puts bindgen's assertions about one struct under the targets they hold for.
fn restrict(assertions: &mut syn::ItemConst, pointers: &BTreeSet<String>) {
    let Expr::Block(block) = &mut *assertions.expr else {
        return;
    };
    let assertion = |statement: &Stmt| match statement {
        // `["Alignment of name"][align_of::<name>() - 8usize];`
        Stmt::Expr(Expr::Index(index), _) => {
            Some((string_in(&index.expr)?, quote::quote!(#index).to_string()))
        }
        _ => None,
    };
    let Some(name) = block
        .block
        .stmts
        .iter()
        .filter_map(assertion)
        .find_map(|(title, _)| Some(title.strip_prefix("Size of ")?.to_owned()))
    else {
        return;
    };
    if pointers.contains(&name) {
        assertions
            .attrs
            .push(parse_quote!(#[cfg(target_pointer_width = "64")]));
        return;
    }
    if ALIGNED.contains(&name.as_str()) {
        return;
    }
    for statement in &mut block.block.stmts {
        let eight = assertion(statement).is_some_and(|(title, text)| {
            title.starts_with("Alignment of ") && text.ends_with("8usize]")
        });
        if let Stmt::Expr(Expr::Index(index), _) = statement
            && eight
        {
            // A 64-bit integer is aligned to 4 there. Sizes and offsets stay: the kernel pads its structs by hand.
            index
                .attrs
                .push(parse_quote!(#[cfg(not(target_arch = "x86"))]));
        }
    }
}

/// The string in `["string"]`.
fn string_in(array: &Expr) -> Option<String> {
    let Expr::Array(array) = array else {
        return None;
    };
    match array.elems.first()? {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}
