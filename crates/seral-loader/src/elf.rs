//! What is asked of a library's bytes: whether it is one for here, whole, and what its note says. The `object` crate reads; here is decided.

use std::env::consts::ARCH;

use object::NativeEndian;
use object::elf;
use object::read::elf::Dyn;
use object::read::elf::FileHeader;
use object::read::elf::ProgramHeader;
use object::read::elf::SectionHeader;
use object::read::elf::Sym;
use seral_plugin::ElfNote;

use crate::refused::Damage;
use crate::refused::Kind;
use crate::refused::Machine;
use crate::refused::Refused;

#[cfg(target_pointer_width = "64")]
type Header = elf::FileHeader64<NativeEndian>;
#[cfg(target_pointer_width = "32")]
type Header = elf::FileHeader32<NativeEndian>;
type Program = <Header as FileHeader>::ProgramHeader;

const WORD_SIZES: [(elf::FileClass, u32); 2] = [(elf::ELFCLASS32, 32), (elf::ELFCLASS64, 64)];
const BYTE_ORDERS: [(elf::DataEncoding, &str); 2] = [(elf::ELFDATA2LSB, "little"), (elf::ELFDATA2MSB, "big")];
const OWN_BYTE_ORDER: &str = if cfg!(target_endian = "little") { "little" } else { "big" };

/// The architectures of Linux as Rust calls them. Where two have one number, they differ in word size or byte order.
const MACHINES: [(elf::Machine, &str); 20] = [
    (elf::EM_X86_64, "x86_64"),
    (elf::EM_AARCH64, "aarch64"),
    (elf::EM_386, "x86"),
    (elf::EM_ARM, "arm"),
    (elf::EM_RISCV, "riscv64"),
    (elf::EM_RISCV, "riscv32"),
    (elf::EM_LOONGARCH, "loongarch64"),
    (elf::EM_LOONGARCH, "loongarch32"),
    (elf::EM_PPC64, "powerpc64"),
    (elf::EM_PPC, "powerpc"),
    (elf::EM_S390, "s390x"),
    (elf::EM_MIPS, "mips64"),
    (elf::EM_MIPS, "mips"),
    (elf::EM_MIPS, "mips64r6"),
    (elf::EM_MIPS, "mips32r6"),
    (elf::EM_SPARCV9, "sparc64"),
    (elf::EM_SPARC, "sparc"),
    (elf::EM_68K, "m68k"),
    (elf::EM_HEXAGON, "hexagon"),
    (elf::EM_CSKY, "csky"),
];

/// The text of the note of a whole library for this process.
pub(crate) fn note(bytes: &[u8]) -> Result<&[u8], Refused> {
    is_for_here(bytes)?;
    let header = Header::parse(bytes).map_err(|_| damaged(Damage::Header))?;
    is_for_this_machine(header)?;
    let programs = is_shared(header, bytes)?;
    is_whole(header, programs, bytes)?;
    only_note(programs, bytes)
}

/// Whether a library exports this symbol. One that was stripped of its table of sections may, and the loader of the system will tell.
pub(crate) fn may_export(bytes: &[u8], symbol: &str) -> bool {
    let symbols = Header::parse(bytes).and_then(|header| {
        header.sections(NativeEndian, bytes)?.symbols(NativeEndian, bytes, elf::SHT_DYNSYM)
    });
    let Ok(symbols) = symbols else { return true };
    let is_it = |it: &<Header as FileHeader>::Sym| {
        !it.is_undefined(NativeEndian)
            && it.name(NativeEndian, symbols.strings()).is_ok_and(|name| name == symbol.as_bytes())
    };
    symbols.is_empty() || symbols.iter().any(is_it)
}

fn damaged(what: Damage) -> Refused {
    Refused::Damaged { what }
}

/// Whether it is an ELF file with the words and the byte order of this process: the rest of the header is read by these.
fn is_for_here(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.is_empty() {
        return Err(Refused::Empty);
    }
    let bytes_len = bytes.len();
    if bytes_len < size_of::<Header>() || !bytes.starts_with(&elf::ELFMAG) {
        let first: Vec<_> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Err(Refused::NotElf { bytes_len, first: first.join(" ") });
    }
    let expected = usize::BITS;
    let class = elf::FileClass(bytes[4]);
    match WORD_SIZES.into_iter().find(|(of, _)| *of == class) {
        None => return Err(damaged(Damage::Header)),
        Some((_, found)) if found != expected => return Err(Refused::WordSize { expected, found }),
        Some(_) => {}
    }
    let expected = OWN_BYTE_ORDER;
    let order = elf::DataEncoding(bytes[5]);
    match BYTE_ORDERS.into_iter().find(|(of, _)| *of == order) {
        None => Err(damaged(Damage::Header)),
        Some((_, found)) if found != expected => Err(Refused::ByteOrder { expected, found }),
        Some(_) => Ok(()),
    }
}

fn is_for_this_machine(header: &Header) -> Result<(), Refused> {
    let machine = header.e_machine(NativeEndian);
    if MACHINES.contains(&(machine, ARCH)) {
        return Ok(());
    }
    let name = MACHINES.into_iter().find(|(of, _)| *of == machine);
    let found = name.map_or(Machine::Number(machine.0), |(_, name)| Machine::Named(name));
    Err(Refused::Machine { expected: ARCH, found })
}

/// Its program headers, if it is a shared library. By its type most executables are one as well, since they can be moved in memory too; but these ask for an
/// interpreter, or are marked.
fn is_shared<'a>(header: &Header, bytes: &'a [u8]) -> Result<&'a [Program], Refused> {
    let other = |found| Err(Refused::NotShared { found });
    match header.e_type(NativeEndian) {
        elf::ET_DYN => {}
        elf::ET_EXEC => return other(Kind::Executable),
        elf::ET_REL => return other(Kind::Object),
        elf::ET_CORE => return other(Kind::Core),
        unknown => return other(Kind::Other(unknown.0)),
    }
    let programs = header.program_headers(NativeEndian, bytes).map_err(|_| damaged(Damage::Programs))?;
    if programs.iter().any(|program| program.p_type(NativeEndian) == elf::PT_INTERP)
        || is_marked(programs, bytes)
    {
        return other(Kind::Executable);
    }
    Ok(programs)
}

/// Whether it is marked as an executable. What cannot be read is not marked; [`is_whole`] finds that.
fn is_marked(programs: &[Program], bytes: &[u8]) -> bool {
    let dynamic = programs.iter().filter_map(|program| program.dynamic(NativeEndian, bytes).ok()?);
    dynamic.flatten().any(|entry| {
        let flags = wide(entry.d_val(NativeEndian));
        entry.d_tag(NativeEndian) == elf::DT_FLAGS_1 && flags & elf::DF_1_PIE.0 != 0
    })
}

/// A word of this process as it is on all.
fn wide(word: impl Into<u64>) -> u64 {
    word.into()
}

/// Whether all that its headers speak of is in the file. The system maps a file without a look at its length; a read behind the end ends the
/// process.
fn is_whole(header: &Header, programs: &[Program], bytes: &[u8]) -> Result<(), Refused> {
    let is_inside = |(offset, len): (u64, u64)| {
        let end = offset.checked_add(len).and_then(|end| usize::try_from(end).ok());
        end.is_some_and(|end| end <= bytes.len())
    };
    let sections = header.section_headers(NativeEndian, bytes).map_err(|_| damaged(Damage::Sections))?;
    for (at, section) in sections.iter().enumerate() {
        if !section.file_range(NativeEndian).is_none_or(is_inside) {
            return Err(damaged(Damage::Section(at)));
        }
    }
    for (at, program) in programs.iter().enumerate() {
        if !is_inside(program.file_range(NativeEndian)) {
            return Err(damaged(Damage::Segment(at)));
        }
    }
    let has = |kind| {
        let mut programs = programs.iter();
        programs.any(|program| program.p_type(NativeEndian) == kind && program.file_range(NativeEndian).1 > 0)
    };
    if !has(elf::PT_LOAD) {
        return Err(damaged(Damage::NothingToLoad));
    }
    if has(elf::PT_DYNAMIC) { Ok(()) } else { Err(damaged(Damage::Dynamic)) }
}

/// The text of its one note of seral.
fn only_note<'a>(programs: &[Program], bytes: &'a [u8]) -> Result<&'a [u8], Refused> {
    let mut texts = Vec::new();
    for program in programs {
        let notes = program.notes(NativeEndian, bytes).map_err(|_| damaged(Damage::Notes))?;
        for note in notes.into_iter().flatten() {
            let note = note.map_err(|_| damaged(Damage::Notes))?;
            if note.name() == ElfNote::OWNER.as_bytes() && note.n_type(NativeEndian).0 == ElfNote::KIND {
                texts.push(note.desc());
            }
        }
    }
    match texts[..] {
        [text] => Ok(text),
        [] => Err(Refused::NoNote),
        _ => Err(Refused::ManyNotes { found: texts.len() }),
    }
}
