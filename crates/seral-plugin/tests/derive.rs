//! The fingerprints that are derived: the same for what is the same on the wire, and others for anything else.
//!
//! Seen failing: a name, a field's type, an order or an attribute that does not count; `r#` or an attribute of others that does; a path that is not whole; a
//! parameter without its bound; a type that is asked for though it is skipped.
#![allow(dead_code, reason = "of most types here only the definition is of interest")]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;

use seral_plugin::Schema;
use seral_plugin::schema::fingerprint;

/// The fingerprint of a type `Order`, by its definition.
macro_rules! order {
    ($($definition:tt)*) => { order_of! { Order, $($definition)* } };
}

/// That of this type, by the definition of `Order`.
macro_rules! order_of {
    ($type:ty, $($definition:tt)*) => {{
        #[derive(Schema, Serialize)]
        $($definition)*
        <$type>::FINGERPRINT
    }};
}

#[track_caller]
fn all_differ(fingerprints: &[u64]) {
    let different: BTreeSet<_> = fingerprints.iter().collect();
    assert_eq!(different.len(), fingerprints.len(), "{fingerprints:016x?}");
}

#[track_caller]
fn all_equal(fingerprints: &[u64]) {
    let different: BTreeSet<_> = fingerprints.iter().collect();
    assert_eq!(different.len(), 1, "{fingerprints:016x?}");
}

mod one {
    #[derive(seral_plugin::Schema)]
    pub(crate) struct Order {
        number: u64,
        change: super::Change<Vec<String>>,
    }
}

mod another {
    #[derive(seral_plugin::Schema)]
    pub(crate) struct Order {
        number: u64,
        change: super::Change<Vec<String>>,
    }
}

#[derive(Schema, Serialize)]
enum Change<T> {
    None,
    Move(u32, i8),
    #[serde(rename = "put")]
    Add {
        r#where: T,
        #[serde(skip)]
        since: Option<Instant>,
    },
}

#[test]
fn one_definition_has_one_fingerprint_in_all_modules() {
    assert_eq!(one::Order::FINGERPRINT, another::Order::FINGERPRINT);
}

#[test]
fn it_is_what_one_would_write_by_hand() {
    let field = |name: &str, of_type: u64| fingerprint(name, &[of_type]);
    let change = fingerprint(
        "enum Change",
        &[
            fingerprint("None", &[]),
            fingerprint("Move", &[field("0", u32::FINGERPRINT), field("1", i8::FINGERPRINT)]),
            fingerprint(
                "#[serde(rename = \"put\")] Add",
                &[field("where", u64::FINGERPRINT), fingerprint("#[serde(skip)] since", &[])],
            ),
        ],
    );
    assert_eq!(Change::<u64>::FINGERPRINT, change);
    assert_eq!(order! { struct Order; }, fingerprint("struct Order", &[]));
}

/// As it was when this test was written. Another one makes every plugin that is built a stranger.
#[test]
fn it_stays_what_it_is() {
    assert_eq!(one::Order::FINGERPRINT, 0x2455_03FF_66DC_6E47);
}

#[test]
fn what_is_not_on_the_wire_does_not_count() {
    all_equal(&[
        order! { struct Order { number: u64, notes: Vec<String> } },
        order! {
            /// The order of a customer.
            #[must_use]
            #[repr(C)]
            pub(crate) struct Order {
                /// Its number.
                pub(crate) number: u64,
                #[allow(clippy::doc_markdown, reason = "an attribute")]
                pub(crate) notes: Vec<String>,
            }
        },
        {
            type Notes = Vec<String>;
            order! { struct Order { number: u64, notes: Notes } }
        },
    ]);
    all_equal(&[order! { struct Order; }, order! { struct Order {} }, order! { struct Order(); }]);
    all_equal(&[order! { enum Order { One, Two } }, order! { enum Order { One = 5, Two = 1 } }]);
}

#[test]
fn each_difference_of_a_struct_counts() {
    all_differ(&[
        order! { struct Order { number: u64, notes: Vec<String> } },
        order_of! { Request, struct Request { number: u64, notes: Vec<String> } },
        order! { struct Order { id: u64, notes: Vec<String> } },
        order! { struct Order { notes: Vec<String>, number: u64 } },
        order! { struct Order { number: u32, notes: Vec<String> } },
        order! { struct Order { number: u64, notes: Vec<char> } },
        order! { struct Order { number: u64, notes: Vec<String>, more: () } },
        order! { struct Order { number: u64 } },
        order! { struct Order { number: () } },
        order! { struct Order(u64, Vec<String>); },
        order! { struct Order(Vec<String>, u64); },
        order! { struct Order((u64, Vec<String>)); },
        order! { struct Order(u64); },
        order! { struct Order; },
        order! { enum Order {} },
    ]);
}

#[test]
fn each_difference_of_an_enum_counts() {
    all_differ(&[
        order! { enum Order { Add(u64), Remove } },
        order! { enum Order { Add(u64), Remove, More } },
        order! { enum Order { Add(u64), Delete } },
        order! { enum Order { Remove, Add(u64) } },
        order! { enum Order { Add(u32), Remove } },
        order! { enum Order { Add(u64, u64), Remove } },
        order! { enum Order { Add { number: u64 }, Remove } },
        order! { enum Order { Add { id: u64 }, Remove } },
        order! { enum Order { Add, Remove(u64) } },
        order! { enum Order { Add, Remove } },
        order! { enum Order { Add(u64) } },
    ]);
}

#[test]
fn what_serde_is_told_counts() {
    all_differ(&[
        order! { struct Order { number: u64, notes: String } },
        order! { #[serde(deny_unknown_fields)] struct Order { number: u64, notes: String } },
        order! { #[serde(rename_all = "camelCase")] struct Order { number: u64, notes: String } },
        order! { #[serde(rename_all = "kebab-case")] struct Order { number: u64, notes: String } },
        order! { struct Order { #[serde(rename = "n")] number: u64, notes: String } },
        order! { struct Order { #[serde(rename = "m")] number: u64, notes: String } },
        order! { struct Order { number: u64, #[serde(rename = "n")] notes: String } },
        order! { struct Order { number: u64, #[serde(skip)] notes: String } },
        order! { struct Order { #[serde(skip)] number: u64, notes: String } },
    ]);
    all_differ(&[
        order! { enum Order { Add(u64), Remove } },
        order! { #[serde(rename = "o")] enum Order { Add(u64), Remove } },
        order! { enum Order { #[serde(rename = "a")] Add(u64), Remove } },
        order! { enum Order { Add(#[serde(rename = "a")] u64), Remove } },
        order! { enum Order { Add(u64), #[serde(rename = "a")] Remove } },
    ]);
}

#[test]
fn of_what_serde_is_told_only_the_words_count() {
    /// As a macro of the user would write a definition.
    macro_rules! named {
        ($meta:meta, $name:literal, $type:ty) => {
            order! { #[$meta] struct Order { #[serde(rename = $name)] number: $type } }
        };
    }
    all_equal(&[
        order! { #[serde(rename = "o", deny_unknown_fields)] struct Order { #[serde(rename = "n")] number: u64 } },
        order! { #[serde(rename="o",deny_unknown_fields,)] struct Order { #[serde(rename="n",)] number: u64 } },
        order! { #[serde(rename = "o")] #[serde(deny_unknown_fields)] struct Order { #[serde(rename = "n")] number: u64 } },
        named!(serde(rename = "o", deny_unknown_fields), "n", u64),
    ]);
}

#[test]
fn what_is_skipped_needs_no_fingerprint() {
    let since = fingerprint("#[serde(skip)] since", &[]);
    assert_eq!(
        order! { struct Order { #[serde(skip)] since: Option<Instant> } },
        fingerprint("struct Order", &[since])
    );
}

#[test]
fn what_a_generic_type_is_given_counts() {
    all_differ(&[
        order_of! { Order<u8>, struct Order<T> { number: T } },
        order_of! { Order<u16>, struct Order<T> { number: T } },
        order_of! { Order<Vec<u8>>, struct Order<T> { number: T } },
        order_of! { Order<3>, struct Order<const LEN: usize> { number: Parts<u8, LEN> } },
        order_of! { Order<4>, struct Order<const LEN: usize> { number: Parts<u8, LEN> } },
    ]);
    all_equal(&[
        order! { struct Order { number: Vec<u8> } },
        order_of! { Order<u8>, struct Order<T> { number: Vec<T> } },
        order_of! { Order<u8>, struct Order<T: Clone> where T: Copy { number: Vec<T> } },
        order_of! { Order, struct Order<T = u8> { number: Vec<T> } },
    ]);
}

/// An array, which `serde` writes only when its length is known.
struct Parts<T, const LEN: usize>([T; LEN]);

impl<T: Schema, const LEN: usize> Schema for Parts<T, LEN> {
    const FINGERPRINT: u64 = <[T; LEN]>::FINGERPRINT;
}

impl<T: Serialize, const LEN: usize> Serialize for Parts<T, LEN> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(to)
    }
}

#[test]
fn all_kinds_of_parameters_are_passed_on() {
    #[derive(Schema)]
    struct All<'a, 'b: 'a, T: ?Sized, U, const LEN: usize>
    where
        T: ToOwned + 'b,
        [U]: ToOwned,
    {
        lent: Cow<'a, T>,
        also: Cow<'b, [U]>,
        boxed: Box<T>,
        many: [U; LEN],
        computed: [U; size_of::<u64>() * 2],
    }

    let all = All::<'static, 'static, str, u8, 3>::FINGERPRINT;
    all_differ(&[
        all,
        All::<'static, 'static, [u8], u8, 3>::FINGERPRINT,
        All::<'static, 'static, str, u16, 3>::FINGERPRINT,
        All::<'static, 'static, str, u8, 4>::FINGERPRINT,
    ]);
}

/// Here everything that a fingerprint is made with has the name of something else.
#[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "these are the names")]
mod names {
    pub(crate) mod core {}
    pub(crate) mod seral_plugin {}

    #[derive(::seral_plugin::Schema)]
    pub(crate) struct Vec<T>(pub(crate) T);
    #[derive(::seral_plugin::Schema)]
    pub(crate) enum Option {
        r#None,
        Some,
    }
    #[derive(::seral_plugin::Schema)]
    pub(crate) struct u64;
    #[derive(::seral_plugin::Schema)]
    pub(crate) struct fingerprint;
    #[derive(::seral_plugin::Schema)]
    pub(crate) struct Schema<FINGERPRINT>(pub(crate) FINGERPRINT);

    #[derive(::seral_plugin::Schema)]
    pub(crate) struct r#struct {
        pub(crate) r#type: Vec<u64>,
        pub(crate) r#match: Schema<Option>,
        pub(crate) fingerprint: fingerprint,
    }
}

#[test]
fn types_may_be_called_as_others_are() {
    all_differ(&[
        names::u64::FINGERPRINT,
        u64::FINGERPRINT,
        names::Vec::<u64>::FINGERPRINT,
        Vec::<u64>::FINGERPRINT,
        names::Vec::<names::u64>::FINGERPRINT,
        names::Option::FINGERPRINT,
        fingerprint("Option", &[]),
    ]);
    let field = |name: &str, of_type: u64| fingerprint(name, &[of_type]);
    let all = fingerprint(
        "struct struct",
        &[
            field("type", names::Vec::<names::u64>::FINGERPRINT),
            field("match", names::Schema::<names::Option>::FINGERPRINT),
            field("fingerprint", names::fingerprint::FINGERPRINT),
        ],
    );
    assert_eq!(names::r#struct::FINGERPRINT, all);
    let option = fingerprint("enum Option", &[fingerprint("None", &[]), fingerprint("Some", &[])]);
    assert_eq!(names::Option::FINGERPRINT, option);
}
