//! The note by which a plugin says what it is, readable before the plugin is opened.
//!
//! Its text is 512 bytes, a line of words that a person can read too, padded with spaces:
//!
//! ```text
//! SERAL-PLUGIN abi=1.0 job=<16 hex> output=<16 hex> panic=unwind target=.. rustc=.. name=.. version=..
//! ```
//!
//! There is one way to write a note and the parser takes no other, so what was read is all that it says. Only the words up to `abi` are for
//! ever: [`Abi::of_note`] reads them of any note, so that a plugin of another time is called older or newer, and not damaged.
//!
//! # In the file
//!
//! The text lies in a proper ELF note of the owner `SERAL` ([`ElfNote`]), in the section `.note.seral`, and not in a plain section. The compiler takes
//! the name of the section as the type `SHT_NOTE`. So the linker keeps it though nothing refers to it; it puts it into a segment `PT_NOTE`, which the loader finds without
//! the table of sections, that a plugin may be stripped of; and there it lies beside notes that others read, such as the build id, who would
//! stumble over bytes that are no note. `readelf --notes` finds it, and `strings` shows it.

use std::error::Error;
use std::fmt;

use crate::schema::digits;

/// How long the text of a note is.
pub const TEXT_LEN: usize = 512;

/// The target that this crate is built for, as `x86_64-unknown-linux-gnu`.
pub const TARGET: &str = env!("SERAL_PLUGIN_TARGET");

/// The compiler that it is built by, as `1.95.0`.
pub const RUSTC: &str = env!("SERAL_PLUGIN_RUSTC");

/// The word that it begins with.
const MAGIC: &str = "SERAL-PLUGIN";

/// Which form the tables have that the two sides reach each other by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Abi {
    /// Another one is another form: the two sides do not fit together.
    pub major: u16,
    /// A later one has more at the end of its tables. Each says how long it is, so these fit together.
    pub minor: u16,
}

impl Abi {
    /// That of this crate.
    pub const OWN: Self = Self { major: 1, minor: 0 };

    /// What the text of a note of any time says.
    ///
    /// # Errors
    ///
    /// It does not begin as each note does.
    pub fn of_note(text: &[u8]) -> Result<Self, NoteError> {
        Words::of(text)?.abi()
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What becomes of a panic in the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PanicMode {
    /// It can be caught.
    Unwind,
    /// It ends the process.
    Abort,
}

impl PanicMode {
    /// As it is written in the note, and in a profile of cargo.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unwind => "unwind",
            Self::Abort => "abort",
        }
    }
}

/// What a plugin says of itself. It is a `Note<&str>` where it is written, as a constant of the plugin, and a `Note` where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note<Text = String> {
    /// The ABI that it was built for.
    pub abi: Abi,
    /// The [fingerprint](trait@crate::Schema) of its jobs.
    pub schema_job: u64,
    /// The fingerprint of its outputs.
    pub schema_output: u64,
    /// What becomes of its panics.
    pub panic: PanicMode,
    /// The target that it was built for, as `x86_64-unknown-linux-gnu`.
    pub target: Text,
    /// The compiler that it was built by, as `1.95.0`.
    pub rustc: Text,
    /// The name of the package that it was built from.
    pub name: Text,
    /// The name of its version.
    pub version: Text,
}

impl Note<&str> {
    /// The text of the note.
    ///
    /// # Errors
    ///
    /// A name is empty or has other characters than printable ASCII without spaces, or all of them are too long together.
    pub const fn text(&self) -> Result<[u8; TEXT_LEN], NoteError> {
        let mut writer = Writer { text: [b' '; TEXT_LEN], at: 0, wrong: None };
        writer.put(MAGIC.as_bytes());
        writer.put(b" abi=");
        writer.number(self.abi.major);
        writer.put(b".");
        writer.number(self.abi.minor);
        writer.field("job");
        writer.put(&digits(self.schema_job));
        writer.field("output");
        writer.put(&digits(self.schema_output));
        writer.field("panic");
        writer.put(self.panic.as_str().as_bytes());
        writer.name("target", self.target);
        writer.name("rustc", self.rustc);
        writer.name("name", self.name);
        writer.name("version", self.version);
        writer.finish()
    }
}

impl Note {
    /// The note of this text.
    ///
    /// # Errors
    ///
    /// It is not what [`text`](Note::text) writes.
    pub fn parse(text: &[u8]) -> Result<Self, NoteError> {
        if text.len() != TEXT_LEN {
            return Err(NoteError::Length { found: text.len() });
        }
        let mut words = Words::of(text)?;
        let note = Self {
            abi: words.abi()?,
            schema_job: words.fingerprint("job")?,
            schema_output: words.fingerprint("output")?,
            panic: words.panic_mode()?,
            target: words.value("target")?.to_owned(),
            rustc: words.value("rustc")?.to_owned(),
            name: words.value("name")?.to_owned(),
            version: words.value("version")?.to_owned(),
        };
        words.end()?;
        Ok(note)
    }

    /// The same, to be written.
    pub fn as_strs(&self) -> Note<&str> {
        Note {
            abi: self.abi,
            schema_job: self.schema_job,
            schema_output: self.schema_output,
            panic: self.panic,
            target: &self.target,
            rustc: &self.rustc,
            name: &self.name,
            version: &self.version,
        }
    }
}

/// What is wrong with a note. Its text is a clause, for the sentence of who reads or writes the note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// It is longer or shorter than a note.
    Length {
        /// How long it is.
        found: usize,
    },
    /// There is something other than printable ASCII in it.
    Character {
        /// Behind so many bytes.
        at: usize,
    },
    /// It begins with another word.
    Magic,
    /// A field is not there, or not where it belongs.
    Field {
        /// Its name.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    Value {
        /// Its name.
        field: &'static str,
    },
    /// Something follows where it should end.
    More,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => write!(f, "its text has {found} bytes and not {TEXT_LEN}"),
            Self::Character { at } => write!(f, "byte {at} is not printable ASCII"),
            Self::Magic => write!(f, "the first word is not {MAGIC}"),
            Self::Field { field } => write!(f, "the field `{field}` is not where it belongs"),
            Self::Value { field } => write!(f, "the field `{field}` has a value that it cannot have"),
            Self::More => f.write_str("something follows the last field"),
        }
    }
}

impl Error for NoteError {}

/// A note as it lies in the file: its header, its owner and its text. To be put into the section [`SECTION`](Self::SECTION).
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElfNote([u8; Self::LEN]);

impl ElfNote {
    /// Where it is put.
    pub const SECTION: &str = ".note.seral";
    /// By whom it is known.
    pub const OWNER: &str = "SERAL";
    /// The kind of note, among those of the owner. One that tools which do not know the owner have no name for.
    pub const KIND: u32 = 3;

    /// The owner ends with a zero, and the text begins at a multiple of four.
    const OWNER_LEN: usize = Self::OWNER.len() + 1;
    const TEXT_AT: usize = (12 + Self::OWNER_LEN).next_multiple_of(4);
    const LEN: usize = Self::TEXT_AT + TEXT_LEN;

    /// The note with this text.
    pub const fn new(text: &[u8; TEXT_LEN]) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "both are small constants")]
        let [owner_len, text_len] = [Self::OWNER_LEN as u32, TEXT_LEN as u32];
        let mut bytes = [0; Self::LEN];
        copy(&mut bytes, 0, &owner_len.to_ne_bytes());
        copy(&mut bytes, 4, &text_len.to_ne_bytes());
        copy(&mut bytes, 8, &Self::KIND.to_ne_bytes());
        copy(&mut bytes, 12, Self::OWNER.as_bytes());
        copy(&mut bytes, Self::TEXT_AT, text);
        Self(bytes)
    }

    /// The text in it.
    pub const fn text(&self) -> &[u8] {
        self.0.split_at(Self::TEXT_AT).1
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const fn copy(to: &mut [u8], at: usize, from: &[u8]) {
    let (_, to) = to.split_at_mut(at);
    let (to, _) = to.split_at_mut(from.len());
    to.copy_from_slice(from);
}

/// Writes the text of a note where constants are made: so it has no formatting and no `?`.
struct Writer {
    text: [u8; TEXT_LEN],
    /// How much was written, or would have been if there were room.
    at: usize,
    wrong: Option<NoteError>,
}

impl Writer {
    const fn put(&mut self, bytes: &[u8]) {
        let mut from = 0;
        while from < bytes.len() {
            if self.at < TEXT_LEN {
                self.text[self.at] = bytes[from];
            }
            self.at += 1;
            from += 1;
        }
    }

    const fn number(&mut self, number: u16) {
        if number >= 10 {
            self.number(number / 10);
        }
        self.put(&[b'0' + (number % 10) as u8]);
    }

    const fn field(&mut self, field: &'static str) {
        self.put(b" ");
        self.put(field.as_bytes());
        self.put(b"=");
    }

    const fn name(&mut self, field: &'static str, name: &str) {
        self.field(field);
        self.put(name.as_bytes());
        let name = name.as_bytes();
        let mut printable = 0;
        while printable < name.len() && name[printable].is_ascii_graphic() {
            printable += 1;
        }
        if self.wrong.is_none() && (name.is_empty() || printable < name.len()) {
            self.wrong = Some(NoteError::Value { field });
        }
    }

    const fn finish(self) -> Result<[u8; TEXT_LEN], NoteError> {
        match self.wrong {
            Some(wrong) => Err(wrong),
            None if self.at > TEXT_LEN => Err(NoteError::Length { found: self.at }),
            None => Ok(self.text),
        }
    }
}

/// Reads the words of a note one after the other.
struct Words<'a>(std::str::Split<'a, char>);

impl<'a> Words<'a> {
    /// Those behind the first, which is that of each note.
    fn of(text: &'a [u8]) -> Result<Self, NoteError> {
        let text = str::from_utf8(text).map_err(|why| NoteError::Character { at: why.valid_up_to() })?;
        if let Some(at) = text.find(|character| !matches!(character, ' '..='~')) {
            return Err(NoteError::Character { at });
        }
        let mut words = text.trim_end_matches(' ').split(' ');
        if words.next() == Some(MAGIC) { Ok(Self(words)) } else { Err(NoteError::Magic) }
    }

    fn value(&mut self, field: &'static str) -> Result<&'a str, NoteError> {
        let word = self.0.next().ok_or(NoteError::Field { field })?;
        let value = word.strip_prefix(field).and_then(|rest| rest.strip_prefix('='));
        match value {
            None => Err(NoteError::Field { field }),
            Some("") => Err(NoteError::Value { field }),
            Some(value) => Ok(value),
        }
    }

    fn abi(&mut self) -> Result<Abi, NoteError> {
        let field = "abi";
        // Rust would also take `+1` and `01`, and a note is written in one way.
        let number = |text: &str| text.parse().ok().filter(|number: &u16| number.to_string() == text);
        let abi = self
            .value(field)?
            .split_once('.')
            .and_then(|(major, minor)| Some(Abi { major: number(major)?, minor: number(minor)? }));
        abi.ok_or(NoteError::Value { field })
    }

    fn fingerprint(&mut self, field: &'static str) -> Result<u64, NoteError> {
        let value = self.value(field)?;
        let number = u64::from_str_radix(value, 16).ok();
        number.filter(|number| digits(*number) == value.as_bytes()).ok_or(NoteError::Value { field })
    }

    fn panic_mode(&mut self) -> Result<PanicMode, NoteError> {
        let field = "panic";
        let value = self.value(field)?;
        let modes = [PanicMode::Unwind, PanicMode::Abort];
        modes.into_iter().find(|mode| mode.as_str() == value).ok_or(NoteError::Value { field })
    }

    fn end(mut self) -> Result<(), NoteError> {
        if self.0.next().is_none() { Ok(()) } else { Err(NoteError::More) }
    }
}
