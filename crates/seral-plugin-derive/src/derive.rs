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

use crate::attributes::Serde;

pub(crate) fn schema(mut input: DeriveInput) -> Result<TokenStream> {
    let (kind, parts) = match &input.data {
        Data::Struct(data) => ("struct", fields(&data.fields)),
        Data::Enum(data) => ("enum", data.variants.iter().map(variant).collect()),
        Data::Union(data) => {
            let why = "a union has no fingerprint, since its bytes do not say which field they are: make it an enum";
            return Err(syn::Error::new(data.union_token.span, why));
        }
    };
    let name = format!("{kind} {}", input.ident.unraw());
    let fingerprint = fingerprint(&Serde::of(&input.attrs).named(&name), &parts);

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

fn variant(variant: &Variant) -> TokenStream {
    let serde = Serde::of(&variant.attrs);
    let parts = if serde.skips() { Vec::new() } else { fields(&variant.fields) };
    fingerprint(&serde.named(&variant.ident.unraw().to_string()), &parts)
}

fn fields(fields: &Fields) -> Vec<TokenStream> {
    let field = |(field, member): (&syn::Field, Member)| {
        let name = match member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let serde = Serde::of(&field.attrs);
        let of_type = |ty: &syn::Type| quote!(<#ty as ::seral_plugin::Schema>::FINGERPRINT);
        let parts = if serde.skips() { Vec::new() } else { vec![of_type(&field.ty)] };
        fingerprint(&serde.named(&name), &parts)
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
}
