//! `#[derive(Schema)]` for the crate `seral-plugin`, which says what a fingerprint is and has this macro beside its trait.
//!
//! Modules in reading order; each uses only those above it:
//!
//! | module | holds |
//! |---|---|
//! | `attributes` | what `serde` is told about a type, a field or a variant, as text |
//! | `derive` | the implementation, as tokens |

mod attributes;
mod derive;

use proc_macro::TokenStream;
use syn::DeriveInput;
use syn::parse_macro_input;

/// Implements the trait `Schema`: the fingerprint is that of the name and of all that the type is made of, in order.
///
/// ```
/// use seral_plugin::Schema;
///
/// #[derive(Schema)]
/// struct Order {
///     number: u64,
///     notes: Vec<String>,
/// }
///
/// #[derive(Schema)]
/// enum Change<T> {
///     Add(T),
///     Remove { number: u64 },
/// }
///
/// assert_ne!(Change::<Order>::FINGERPRINT, Change::<u64>::FINGERPRINT);
/// ```
///
/// # What counts
///
/// - The name of a type, without its path, and whether it is a struct or an enum.
/// - Each field: its name, or its number if it has none, and the fingerprint of its type.
/// - Each variant: its name and its fields. The number behind `=` does not count, since `serde` does not write it.
/// - The attributes `#[serde(..)]` of all of these, token by token, since they change what is written. Spaces and comments do not count, nor do other
///   attributes.
///
/// A field with `#[serde(skip)]` is not written. Its name counts, but what it is made of does not, and may be without a
/// fingerprint:
///
/// ```
/// use std::time::Instant;
///
/// use seral_plugin::Schema;
/// use serde::Serialize;
///
/// #[derive(Schema, Serialize)]
/// struct Measured {
///     value: f64,
///     #[serde(skip)]
///     since: Option<Instant>,
/// }
/// ```
///
/// Without the attribute that does not compile:
///
/// ```compile_fail
/// use std::time::Instant;
///
/// use seral_plugin::Schema;
/// use serde::Serialize;
///
/// #[derive(Schema)]
/// struct Measured {
///     value: f64,
///     since: Option<Instant>,
/// }
/// ```
///
/// What code does that is named in an attribute, as in `with` or `into`, is not seen. When it writes something else than before, give the
/// type another name.
///
/// # Generic types
///
/// Each type parameter must have a fingerprint, as if `T: Schema` were written there. Lifetimes and constants may be parameters too.
///
/// # Types that contain themselves
///
/// A fingerprint that depends on itself has no end, and the compiler reports a cycle:
///
/// ```compile_fail
/// use seral_plugin::Schema;
///
/// #[derive(Schema)]
/// struct Tree {
///     value: u64,
///     children: Vec<Tree>,
/// }
/// ```
///
/// Such a type has its fingerprint written by hand, with the bare name where it comes again:
///
/// ```
/// use seral_plugin::Schema;
/// use seral_plugin::schema::fingerprint;
///
/// struct Tree {
///     value: u64,
///     children: Vec<Tree>,
/// }
///
/// impl Schema for Tree {
///     const FINGERPRINT: u64 = {
///         let again = fingerprint("Tree", &[]);
///         let value = fingerprint("value", &[u64::FINGERPRINT]);
///         let children = fingerprint("children", &[fingerprint("Vec", &[again])]);
///         fingerprint("struct Tree", &[value, children])
///     };
/// }
/// ```
///
/// # Unions
///
/// They have none:
///
/// ```compile_fail
/// use seral_plugin::Schema;
///
/// #[derive(Schema)]
/// union Number {
///     whole: u64,
///     real: f64,
/// }
/// ```
#[proc_macro_derive(Schema)]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::schema(input).unwrap_or_else(syn::Error::into_compile_error).into()
}
