//! Orders, and how they are read: exactly, or not at all.
//!
//! A row is `customer date cds dollars`, separated by commas or blanks; the raw CDNOW sample has one more column, a second customer number,
//! after the first. A header line and empty lines are skipped. Whatever else is not understood ends the reading with one sentence that
//! names the line: a program about not losing orders should not begin by skipping some.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use indicatif::HumanCount;

/// The orders that are shipped with the example, so that it needs nothing else.
const SAMPLE: &str = include_str!("../data/cdnow_sample.csv");
const SAMPLE_NAME: &str = "examples/data/cdnow_sample.csv";

/// One purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Its place in the file, from 1, header and empty lines not counted. What the ledger knows it by.
    pub(crate) number: u32,
    pub(crate) customer: u32,
    /// YYYYMMDD.
    pub(crate) date: u32,
    pub(crate) cds: u32,
    /// What it costs. In cents: sums of money are not for floating point.
    pub(crate) cents: u64,
}

/// All orders of a file.
#[derive(Debug)]
pub(crate) struct OrderBook {
    pub(crate) source: String,
    pub(crate) orders: Vec<Order>,
}

impl OrderBook {
    /// Reads a file, or the shipped sample. The error is a sentence for the user.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, String> {
        let Some(file) = file else { return Self::parse(SAMPLE_NAME, SAMPLE) };
        let name = file.display().to_string();
        let bytes = fs::read(file).map_err(|error| format!("cannot read {name}: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let readable = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = readable.split(|byte| *byte == b'\n').count();
            format!("{name}, line {line}: not UTF-8 text")
        })?;
        Self::parse(&name, &text)
    }

    fn parse(source: &str, text: &str) -> Result<Self, String> {
        let mut orders = Vec::new();
        let rows = text.trim_start_matches('\u{feff}').lines().zip(1..).map(|(row, line)| (row.trim(), line));
        let mut rows = rows.filter(|(row, _)| !row.is_empty()).peekable();
        rows.next_if(|(row, _)| is_header(row));
        for ((row, line), number) in rows.zip(1..) {
            let order = order(number, row).map_err(|why| format!("{source}, line {line}: {why}"))?;
            orders.push(order);
        }
        if orders.is_empty() {
            return Err(format!("{source} has no orders"));
        }
        Ok(Self { source: source.to_owned(), orders })
    }

    /// What all orders are worth.
    pub(crate) fn cents(&self) -> u64 {
        self.orders.iter().map(|order| order.cents).sum()
    }

    pub(crate) fn customers(&self) -> usize {
        self.orders.iter().map(|order| order.customer).collect::<HashSet<_>>().len()
    }
}

/// `24409194` as `$244,091.94`.
pub(crate) fn dollars(cents: u64) -> String {
    format!("${}.{:02}", HumanCount(cents / 100), cents % 100)
}

fn columns(row: &str) -> Vec<&str> {
    if row.contains(',') { row.split(',').map(str::trim).collect() } else { row.split_whitespace().collect() }
}

/// A first line without any number in it.
fn is_header(row: &str) -> bool {
    columns(row).iter().all(|column| column.starts_with(|c: char| c.is_alphabetic() || c == '"'))
}

fn order(number: u32, row: &str) -> Result<Order, String> {
    let columns = columns(row);
    let ([customer, date, cds, value] | [customer, _, date, cds, value]) = columns[..] else {
        let found = columns.len();
        return Err(format!(
            "expected customer, date, number of CDs and dollar value, found {found} columns"
        ));
    };
    Ok(Order {
        number,
        customer: whole(customer).ok_or_else(|| format!("{customer:?} is not a customer number"))?,
        date: day(date).ok_or_else(|| format!("{date:?} is not a date (YYYYMMDD)"))?,
        cds: whole(cds).ok_or_else(|| format!("{cds:?} is not a number of CDs"))?,
        cents: cents(value).ok_or_else(|| format!("{value:?} is not a dollar value"))?,
    })
}

/// Digits only: `parse` would take a sign.
fn whole(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn day(text: &str) -> Option<u32> {
    let date = whole(text).filter(|_| text.len() == 8)?;
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day).then_some(date)
}

/// `29`, `29.3` or `29.33` as cents, exactly.
fn cents(text: &str) -> Option<u64> {
    let (dollars, fraction) = match text.split_once('.') {
        None => (text, 0),
        Some((dollars, tenths)) if tenths.len() == 1 => (dollars, whole(tenths)? * 10),
        Some((dollars, hundredths)) if hundredths.len() == 2 => (dollars, whole(hundredths)?),
        Some(_) => return None,
    };
    Some(u64::from(whole(dollars)?) * 100 + u64::from(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Order>, String> {
        OrderBook::parse("a.csv", text).map(|book| book.orders)
    }

    #[test]
    fn the_sample_is_complete() {
        let book = OrderBook::read(None).unwrap();
        assert_eq!((book.orders.len(), book.customers()), (6_919, 2_357));
        assert_eq!(dollars(book.cents()), "$244,091.94");
    }

    #[test]
    fn all_forms_give_the_same_orders() {
        let expected = [
            Order { number: 1, customer: 4, date: 19_970_101, cds: 2, cents: 2933 },
            Order { number: 2, customer: 21, date: 19_980_630, cds: 1, cents: 0 },
        ];
        for text in [
            "customer_id,date,number_of_cds,dollar_value\n00004,19970101,2,29.33\n00021,19980630,1,0.00\n",
            "00004,19970101,2,29.33\n00021,19980630,1,0.00",
            " customer_id  date number_of_cds  dollar_value\r\n 00004 19970101  2   29.33\r\n 00021 19980630  1    0.00\r\n",
            " 00004 0001 19970101  2   29.33\r\n 00021 0002 19980630  1    0.00\r\n",
            "\u{feff}\n4\t19970101\t2\t29.33\n\n21, 19980630, 1, 0\n\n",
        ] {
            assert_eq!(parse(text).as_deref(), Ok(&expected[..]), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (row, why) in [
            ("7,19970101,1,abc", r#""abc" is not a dollar value"#),
            ("7,19970101,1,-5.00", r#""-5.00" is not a dollar value"#),
            ("7,19970101,1,NaN", r#""NaN" is not a dollar value"#),
            ("7,19970101,1,1e3", r#""1e3" is not a dollar value"#),
            ("7,19970101,1,5.", r#""5." is not a dollar value"#),
            ("7,19970101,1,5.001", r#""5.001" is not a dollar value"#),
            ("7,19970101,1,", r#""" is not a dollar value"#),
            ("7,19970101,+1,5.00", r#""+1" is not a number of CDs"#),
            ("7,19970229,1,5.00", r#""19970229" is not a date (YYYYMMDD)"#),
            ("7,1997,1,5.00", r#""1997" is not a date (YYYYMMDD)"#),
            ("x7,19970101,1,5.00", r#""x7" is not a customer number"#),
            ("99999999999,19970101,1,5.00", r#""99999999999" is not a customer number"#),
            ("7,19970101,1", "expected customer, date, number of CDs and dollar value, found 3 columns"),
            ("customer,date,cds,dollars", r#""customer" is not a customer number"#),
        ] {
            // A header, an empty line and a good row before it: lines are counted as an editor counts them.
            let text = format!("customer,date,cds,dollars\r\n\r\n1,19970101,1,1.00\r\n{row}\r\n");
            assert_eq!(parse(&text), Err(format!("a.csv, line 4: {why}")));
        }
    }

    #[test]
    fn a_bad_first_row_is_not_taken_for_a_header() {
        assert_eq!(
            parse("x7,19970101,1,5.00"),
            Err(r#"a.csv, line 1: "x7" is not a customer number"#.to_owned())
        );
    }

    #[test]
    fn a_file_without_orders_is_an_error() {
        for text in ["", "\n", "customer,date,cds,dollars\n"] {
            assert_eq!(parse(text), Err("a.csv has no orders".to_owned()));
        }
    }
}
