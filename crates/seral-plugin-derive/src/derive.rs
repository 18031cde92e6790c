//! The implementation of the trait, as tokens. All names in it are whole paths, whatever the user calls his own types.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Data;
use syn::DeriveInput;
use syn::Fields;
use syn::Member;
use syn::Result;
use syn::Variant;
use syn::ext::IdentExt;
use syn::parse_quote;
use syn::spanned::Spanned;

use crate::attributes::Serde;

pub(crate) fn schema(mut input: DeriveInput) -> Result<TokenStream> {
    let (kind, parts) = match &input.data {
        Data::Struct(data) => ("struct", fields(&data.fields)?),
        Data::Enum(data) => ("enum", data.variants.iter().map(variant).collect::<Result<_>>()?),
        Data::Union(data) => {
            let why = "a union has no fingerprint, since its bytes do not say which field they are: make it an enum";
            return Err(syn::Error::new(data.union_token.span, why));
        }
    };
    let name = format!("{kind} {}", input.ident.unraw());
    let serde = Serde::of(&input.attrs);
    is_read_as_written(&serde, &["untagged", "tag"], &input.ident)?;
    let fingerprint = fingerprint(&serde.named(&name), &parts);

    for parameter in input.generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::seral_plugin::Schema));
    }
    let ident = &input.ident;
    let (parameters, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::seral_plugin::Schema for #ident #arguments #bounds {
            const FINGERPRINT: ::core::primitive::u64 = #fingerprint;
        }
    })
}

/// Whether the thing is told none of these words, which make who reads expect something else than who writes has written: nothing in the bytes says what they are.
fn is_read_as_written(serde: &Serde, words: &[&str], thing: &impl Spanned) -> Result<()> {
    match serde.says(words) {
        None => Ok(()),
        Some(word) => {
            let why = format!(
                "`{word}` does not work where bytes do not say what they are, and could be misread: remove it"
            );
            Err(syn::Error::new(thing.span(), why))
        }
    }
}

fn variant(variant: &Variant) -> Result<TokenStream> {
    let serde = Serde::of(&variant.attrs);
    let skips = ["skip", "skip_serializing", "skip_deserializing", "untagged", "other"];
    is_read_as_written(&serde, &skips, &variant.ident)?;
    Ok(fingerprint(&serde.named(&variant.ident.unraw().to_string()), &fields(&variant.fields)?))
}

fn fields(fields: &Fields) -> Result<Vec<TokenStream>> {
    let field = |(field, member): (&syn::Field, Member)| {
        let name = match member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let serde = Serde::of(&field.attrs);
        let words = ["skip_serializing_if", "skip_serializing", "skip_deserializing", "flatten"];
        is_read_as_written(&serde, &words, field)?;
        let of_type = |ty: &syn::Type| quote!(<#ty as ::seral_plugin::Schema>::FINGERPRINT);
        let parts = if serde.skips() { Vec::new() } else { vec![of_type(&field.ty)] };
        Ok(fingerprint(&serde.named(&name), &parts))
    };
    fields.iter().zip(fields.members()).map(field).collect()
}

fn fingerprint(name: &str, parts: &[TokenStream]) -> TokenStream {
    quote!(::seral_plugin::schema::fingerprint(#name, &[#(#parts),*]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_is_told_what_to_be() {
        let refused =
            schema(parse_quote! { union Number { whole: u64, real: f64 } }).map_err(|why| why.to_string());
        let why =
            "a union has no fingerprint, since its bytes do not say which field they are: make it an enum";
        assert_eq!(refused.map(|tokens| tokens.to_string()), Err(why.to_owned()));
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        let refused = |input: DeriveInput| schema(input).map(|_| ()).map_err(|why| why.to_string());
        let why = |word| {
            Err(format!(
                "`{word}` does not work where bytes do not say what they are, and could be misread: remove it"
            ))
        };
        assert_eq!(
            refused(parse_quote! { struct A { #[serde(skip_serializing_if = "is_none")] a: u8 } }),
            why("skip_serializing_if")
        );
        assert_eq!(refused(parse_quote! { struct A { #[serde(flatten)] a: B } }), why("flatten"));
        assert_eq!(
            refused(parse_quote! { struct A(#[serde(skip_deserializing)] u8); }),
            why("skip_deserializing")
        );
        assert_eq!(refused(parse_quote! { enum A { #[serde(skip)] B, C } }), why("skip"));
        assert_eq!(refused(parse_quote! { #[serde(tag = "kind")] enum A { B } }), why("tag"));
        assert_eq!(
            refused(
                parse_quote! { struct A { #[serde(skip, rename = "tag")] a: u8, #[serde(default)] b: u8 } }
            ),
            Ok(())
        );
    }
}
