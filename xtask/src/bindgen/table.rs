//! Writes what the bindings hold as tables, which the tests compare with C.
//!
//! They are made from the same text as the bindings, so that nothing which is
//! bound can be missing in them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use quote::{format_ident, quote};
use syn::{Attribute, Field, ForeignItem, Ident, Item, Path, Type, TypePath};

use super::portable::{self, FUNCTIONS};

/// The tables for the text that [`portable::rewrite`] has returned.
pub(super) fn of(bindings: &str) -> Result<String> {
    let file = syn::parse_file(bindings).context("the bindings are not Rust")?;
    let records = records(&file.items);

    let functions = file.items.iter().filter_map(|item| match item {
        Item::ForeignMod(block) => Some(&block.items),
        _ => None,
    });
    let functions = functions.flatten().filter_map(|item| match item {
        ForeignItem::Fn(function) => Some(&function.sig.ident),
        _ => None,
    });
    let functions = functions.map(|name| {
        let text = name.to_string();
        quote!((#text, #name as *const ()))
    });

    let constants = file.items.iter().filter_map(|item| match item {
        Item::Const(item) if item.ident != "_" => Some(&item.ident),
        _ => None,
    });
    let constants = constants.map(|name| {
        let text = name.to_string();
        quote!((#text, #name as i128))
    });

    // Types without a name of their own are reached through the ones that hold them.
    let named = records
        .iter()
        .filter(|(name, _)| !name.contains("__bindgen_ty_") && !name.starts_with("__Incomplete"));
    let structs = named.map(|(name, fields)| {
        let ident = format_ident!("{name}");
        let mut list = Vec::new();
        list_fields(&records, &ident, fields, &Place::default(), &mut list);
        quote!(Struct { name: #name, size: size_of::<#ident>(), align: align_of::<#ident>(), fields: &[#(#list),*] })
    });

    let cfg: Attribute = portable::attribute(FUNCTIONS)?;
    let tables = quote! {
        use core::mem::offset_of;
        use ring_io_sys::*;
        use crate::Struct;
        #cfg
        pub(crate) const FUNCTIONS: &[(&str, *const ())] = &[#(#functions),*];
        pub(crate) const CONSTANTS: &[(&str, i128)] = &[#(#constants),*];
        pub(crate) const STRUCTS: &[Struct] = &[#(#structs),*];
    };
    Ok(prettyplease::unparse(&syn::parse2(tables)?))
}

/// The fields of each struct and union.
type Records<'a> = BTreeMap<String, Vec<&'a Field>>;

fn records(items: &[Item]) -> Records<'_> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) => Some((item.ident.to_string(), item.fields.iter().collect())),
            Item::Union(item) => Some((item.ident.to_string(), item.fields.named.iter().collect())),
            _ => None,
        })
        .collect()
}

/// How to reach a field, in both languages.
#[derive(Clone, Default)]
struct Place {
    rust: Vec<Ident>,
    c: Vec<String>,
}

/// One entry for each field that has a name in C, however deep it lies.
fn list_fields(
    records: &Records<'_>,
    root: &Ident,
    fields: &[&Field],
    parent: &Place,
    list: &mut Vec<proc_macro2::TokenStream>,
) {
    for field in fields {
        let Some(name) = &field.ident else { continue };
        let anonymous = name.to_string().starts_with("__bindgen_anon_");
        let mut place = parent.clone();
        place.rust.push(name.clone());
        if !anonymous {
            // `type` is a keyword of Rust.
            place
                .c
                .push(name.to_string().trim_end_matches('_').to_owned());
            let (rust, c, ty) = (&place.rust, place.c.join("."), &field.ty);
            // What has no end has no size in C.
            let size = if quote!(#ty).to_string().contains("__IncompleteArrayField") {
                quote!(None)
            } else {
                quote!(Some(size_of::<#ty>()))
            };
            list.push(quote!((#c, offset_of!(#root, #(#rust).*), #size)));
        }
        if let Some(inner) = unnamed_type(&field.ty).and_then(|name| records.get(&name)) {
            list_fields(records, root, inner, &place, list);
        }
    }
}

/// The name bindgen made up for a type that has none in C.
fn unnamed_type(ty: &Type) -> Option<String> {
    let Type::Path(TypePath {
        path: Path { segments, .. },
        ..
    }) = ty
    else {
        return None;
    };
    let name = segments.last()?.ident.to_string();
    name.contains("__bindgen_ty_").then_some(name)
}
