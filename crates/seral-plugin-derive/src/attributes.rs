//! What `serde` is told about a type, a field or a variant, as text.
//!
//! The tokens are written here one by one: where the compiler puts spaces between them is another thing in each of its versions.

use std::mem;

use proc_macro2::Delimiter;
use proc_macro2::TokenStream;
use proc_macro2::TokenTree;
use syn::Attribute;
use syn::Meta;

/// All that `serde` is told about one thing.
pub(crate) struct Serde(Vec<String>);

impl Serde {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        let told = attributes.iter().filter_map(|attribute| match &attribute.meta {
            Meta::List(list) if list.path.is_ident("serde") => Some(items(list.tokens.clone())),
            _ => None,
        });
        Self(told.flatten().collect())
    }

    /// Whether the thing is neither written nor read.
    pub(crate) fn skips(&self) -> bool {
        self.0.iter().any(|item| item == "skip")
    }

    /// The first of these words that it is told, whatever is said with it.
    pub(crate) fn says<'a>(&self, words: &[&'a str]) -> Option<&'a str> {
        let told = |word: &&&str| self.0.iter().any(|item| item.split(' ').next() == Some(**word));
        words.iter().find(told).copied()
    }

    /// The name of the thing with its attributes in front, if it has any, as in `#[serde(rename = "type")] kind`.
    pub(crate) fn named(&self, name: &str) -> String {
        if self.0.is_empty() { name.to_owned() } else { format!("#[serde({})] {name}", self.0.join(", ")) }
    }
}

/// What stands between the commas, with one space between two tokens.
fn items(tokens: TokenStream) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => items.push(mem::take(&mut item)),
            TokenTree::Group(group) => {
                let inner = items_text(group.stream());
                item.push(match group.delimiter() {
                    Delimiter::Parenthesis => format!("({inner})"),
                    Delimiter::Brace => format!("{{{inner}}}"),
                    Delimiter::Bracket => format!("[{inner}]"),
                    // Around what a macro was given. Nobody has written it.
                    Delimiter::None => inner,
                });
            }
            token => item.push(token.to_string()),
        }
    }
    items.push(item);
    items.into_iter().filter(|item| !item.is_empty()).map(|item| item.join(" ")).collect()
}

fn items_text(tokens: TokenStream) -> String {
    items(tokens).join(", ")
}

#[cfg(test)]
mod tests {
    use syn::DeriveInput;
    use syn::parse_quote;

    use super::*;

    #[track_caller]
    fn check(input: DeriveInput, text: &str) {
        assert_eq!(Serde::of(&input.attrs).named(&input.ident.to_string()), text);
    }

    #[test]
    fn attributes_of_serde_stand_in_front_of_the_name() {
        check(parse_quote! { struct Bare; }, "Bare");
        check(parse_quote! { #[doc = "text"] #[repr(C)] #[serde()] struct Bare; }, "Bare");
        check(
            parse_quote! { #[serde(rename="a  b",default)] struct One; },
            r#"#[serde(rename = "a  b", default)] One"#,
        );
    }

    #[test]
    fn only_tokens_count() {
        let text = r#"#[serde(bound (serialize = "A", deserialize = "B"), default)] Two"#;
        check(
            parse_quote! { #[serde(bound(serialize = "A", deserialize = "B",), default,)] struct Two; },
            text,
        );
        check(
            parse_quote! { #[serde(bound(serialize="A",deserialize="B"))] #[serde(default)] struct Two; },
            text,
        );
    }

    #[test]
    fn what_a_macro_was_given_is_as_if_written_there() {
        let given = proc_macro2::Group::new(Delimiter::None, quote::quote!(rename = "a"));
        check(parse_quote! { #[serde(#given)] struct Three; }, r#"#[serde(rename = "a")] Three"#);
    }

    #[test]
    fn only_the_word_itself_skips() {
        let skips = |input: DeriveInput| Serde::of(&input.attrs).skips();
        assert!(skips(parse_quote! { #[serde(default, skip)] struct A; }));
        assert!(!skips(parse_quote! { #[serde(skip_serializing_if = "skip", rename = "skip")] struct A; }));
        assert!(!skips(parse_quote! { #[skip] struct A; }));
    }
}
