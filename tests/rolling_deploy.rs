//! The example `rolling_deploy`, run as a user runs it: what it prints, its exit codes, and that a signal ends it without losing an order.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::OnceLock;

/// The binary, built once. `cargo test` does not leave one behind, since the example has tests of its own.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let build = Command::new(env!("CARGO"))
            // With the features of the whole workspace, so that nothing is compiled twice.
            .args(["build", "--workspace", "--example", "rolling_deploy", "--message-format", "json"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .output()
            .unwrap();
        let messages = String::from_utf8(build.stdout).unwrap();
        let mut built = messages.lines().filter_map(|line| line.split_once(r#""executable":""#));
        let executable = built.next_back().and_then(|(_, rest)| rest.split('"').next());
        executable.unwrap_or_else(|| panic!("not built: {}", String::from_utf8_lossy(&build.stderr))).into()
    })
}

fn run(args: &[&str]) -> Output {
    Command::new(binary()).args(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// A file of orders, removed when the test is over.
struct Orders(PathBuf);

impl Orders {
    fn new(name: &str, text: &str) -> Self {
        let file = std::env::temp_dir().join(format!("seral-{}-{name}", std::process::id()));
        fs::write(&file, text).unwrap();
        Self(file)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The form of a line: each number replaced by `#`.
fn form(line: &str) -> String {
    let mut form = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if form.ends_with('#') => {}
            '0'..='9' => form.push('#'),
            _ => form.push(c),
        }
    }
    form
}

/// The number that follows this text.
#[track_caller]
fn number(text: &str, before: &str) -> u64 {
    let Some((_, rest)) = text.split_once(before) else { panic!("no {before:?} in {text}") };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().unwrap_or_else(|_| panic!("no number behind {before:?} in {text}"))
}

const LAST_LINE: &str = "accepted #, processed by #.#.# #, processed by #.#.# #, lost #, duplicated #, out of order #, \
                         downtime # ms, deploy took # µs, drained after # ms";

/// The last line says that so many orders were accepted, and each processed once and in order.
#[track_caller]
fn assert_conserved(line: &str, accepted: u64) {
    let by_both = number(line, "processed by 1.0.0 ") + number(line, "processed by 2.0.0 ");
    assert_eq!((number(line, "accepted "), by_both), (accepted, accepted), "{line}");
    assert!(line.contains(", lost 0, duplicated 0, out of order 0, "), "{line}");
}

#[test]
fn the_story_is_told_to_the_end_and_loses_nothing() {
    let output = run(&[]);
    let text = stdout(&output);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let last = text.lines().last().unwrap();
    assert_eq!(form(last), LAST_LINE);
    assert_conserved(last, 6_919);
    assert!(number(last, "processed by 1.0.0 ") > 0 && number(last, "processed by 2.0.0 ") > 0, "{last}");

    assert!(text.contains("orders worth $244,091.94, as in the file"), "{text}");
    let picture = |title: &str| {
        let (_, rest) = text.split_once(&format!("{title}:\n")).unwrap();
        rest.lines().take_while(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n")
    };
    let before = picture("before");
    assert!(before.starts_with("  order-processor 1.0.0  5 workers  Current  "), "{before}");
    assert!(number(&before, "1.0.0  5 workers  Current  ") > 0, "{before}");
    let during = picture("during");
    assert!(number(&during, "1.0.0  5 workers  Draining  ") > 0, "{during}");
    assert!(during.contains("2.0.0  5 workers  Current  "), "{during}");
    let after = picture("after");
    assert!(after.contains("2.0.0  5 workers  Current  "), "{after}");
    assert!(["Drained", "Retired"].iter().any(|state| after.contains(state)), "{after}");
}

#[test]
fn json_is_one_object_and_adds_up() {
    let output = run(&["--work", "0", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert_eq!(
        form(text),
        "{\"accepted\":#,\"processed\":{\"#.#.#\":#,\"#.#.#\":#},\"lost\":#,\"duplicated\":#,\"out_of_order\":#,\
         \"downtime_ms\":#,\"deploy_us\":#,\"drained_ms\":#}\n"
    );
    let of = |name: &str| number(text, &format!("\"{name}\":"));
    assert_eq!((of("accepted"), of("1.0.0") + of("2.0.0")), (6_919, 6_919));
    assert_eq!((of("lost"), of("duplicated"), of("out_of_order")), (0, 0, 0));
}

#[test]
fn one_attempt_in_a_hundred_may_panic() {
    let output = run(&["--work", "0", "--kill-rate", "0.01"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let panicked = number(stdout(&output), "by both versions; ");
    assert!((35..140).contains(&panicked), "{panicked} of some 7,000 attempts panicked");
    assert_conserved(stdout(&output).lines().last().unwrap(), 6_919);
}

/// Sends a signal as soon as a line with this text has been printed, and gives what is printed after it.
#[cfg(unix)]
fn interrupt(signal: &str, args: &[&str], line: &str) -> String {
    let mut run = Command::new(binary()).args(args).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(run.stdout.take().unwrap());
    let mut read = String::new();
    while !read.contains(line) {
        read.clear();
        assert_ne!(stdout.read_line(&mut read).unwrap(), 0, "it ended without saying {line:?}");
    }
    let sent = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0), "{rest}");
    rest
}

#[cfg(unix)]
#[test]
fn sigterm_before_the_deploy_finishes_what_was_admitted() {
    let rest = interrupt("-TERM", &["--work", "1ms"], "10 %");
    assert!(rest.contains("everything was finished\norder-processor: "), "{rest}");
    let last = rest.lines().last().unwrap();
    let accepted = number(last, "accepted ");
    assert!((692..6_919).contains(&accepted), "{last}");
    assert_conserved(last, accepted);
    assert!(last.ends_with(", 2.0.0 not deployed"), "{last}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_after_the_deploy_finishes_what_was_admitted() {
    let rest = interrupt("-INT", &["--work", "1ms"], "during:");
    assert!(rest.contains("everything was finished\norder-processor: "), "{rest}");
    let last = rest.lines().last().unwrap();
    let accepted = number(last, "accepted ");
    assert!((3_460..6_919).contains(&accepted), "{last}");
    assert_conserved(last, accepted);
    assert_eq!(form(last), LAST_LINE);
}

#[test]
fn the_raw_form_is_read_with_and_without_its_header() {
    let header = " customer_id  date number_of_cds  dollar_value\r\n";
    let rows = " 00001 19970101  1   11.77\r\n 00002 19970112  1   12.00\r\n 00002 19970112  5   77.00\r\n";
    for (name, text) in [("header", format!("{header}{rows}")), ("bare", rows.to_owned())] {
        let orders = Orders::new(name, &text);
        let output = run(&["--orders", orders.path(), "--work", "0"]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        assert!(stdout(&output).contains("orders worth $100.77, as in the file"), "{}", stdout(&output));
        assert_conserved(stdout(&output).lines().last().unwrap(), 3);
    }
}

#[test]
fn a_missing_or_malformed_file_gets_one_sentence_and_exit_code_2() {
    let missing = run(&["--orders", "no/such/file.csv"]);
    assert_eq!((missing.status.code(), stdout(&missing)), (Some(2), ""));
    assert!(stderr(&missing).starts_with("cannot read no/such/file.csv: "), "{}", stderr(&missing));
    assert_eq!(stderr(&missing).lines().count(), 1);

    let orders =
        Orders::new("malformed", "customer,date,cds,dollars\n1,19970101,1,11.77\n2,19970112,1,abc\n");
    let malformed = run(&["--orders", orders.path()]);
    assert_eq!((malformed.status.code(), stdout(&malformed)), (Some(2), ""));
    let sentence = format!("{}, line 3: \"abc\" is not a dollar value\n", orders.path());
    assert_eq!(stderr(&malformed), sentence);
}

#[test]
fn arguments_out_of_range_get_one_sentence_and_exit_code_2() {
    for (option, value) in
        [("--kill-rate", "0.6"), ("--kill-rate", "NaN"), ("--work", "5"), ("--work", "soon")]
    {
        let output = run(&[option, value]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
}
