//! The slots through which loaded objects call functions of other objects, in the ELF format.
//!
//! An object calls `open` through a word of its own that the dynamic linker fills in (its global offset table, or a
//! table of functions that the program declares). Relocation records say where those words are.

use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{ptr, slice};

use libc::{Elf64_Phdr, Elf64_Rela, Elf64_Sym, dl_phdr_info};

#[cfg(target_arch = "x86_64")]
mod relocation {
    pub(super) const ABSOLUTE: u32 = 1;
    pub(super) const GLOBAL_DATA: u32 = 6;
    pub(super) const JUMP_SLOT: u32 = 7;
}
#[cfg(target_arch = "aarch64")]
mod relocation {
    pub(super) const ABSOLUTE: u32 = 257;
    pub(super) const GLOBAL_DATA: u32 = 1025;
    pub(super) const JUMP_SLOT: u32 = 1026;
}

/// Entries of the dynamic section (`DT_…`).
mod tag {
    pub(super) const PLT_SIZE: i64 = 2;
    pub(super) const STRINGS: i64 = 5;
    pub(super) const SYMBOLS: i64 = 6;
    pub(super) const RELOCATIONS: i64 = 7;
    pub(super) const RELOCATIONS_SIZE: i64 = 8;
    pub(super) const PLT: i64 = 23;
    pub(super) const RELATIVE_COUNT: i64 = 0x6fff_fff9;
}

/// Which objects have been looked at, and how often the process had loaded and unloaded some by then.
#[derive(Default)]
pub(super) struct Known {
    loaded: u64,
    unloaded: u64,
    objects: HashSet<u64>,
}

/// What to put into the slots of new objects.
pub(super) struct Patch<'a> {
    /// The function that an object is to call instead, by the object's file name and the symbol.
    pub(super) substitute: &'a dyn Fn(&CStr, &CStr) -> Option<usize>,
    /// Objects that hold one of these addresses are left as they are.
    pub(super) spared: &'a [usize],
}

/// Whether objects were loaded or unloaded since.
pub(super) fn is_current(known: &Known) -> bool {
    unsafe extern "C" fn first(info: *mut dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
        // SAFETY: the linker passes an object, and `data` is what was passed below.
        unsafe { *data.cast::<(u64, u64)>() = ((*info).dlpi_adds, (*info).dlpi_subs) };
        1
    }
    let mut counts = (0, 0);
    // SAFETY: the callback has the right type, and `counts` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut counts).cast()) };
    counts == (known.loaded, known.unloaded)
}

/// Patches the objects that were loaded since. Returns in how many of them something was to be patched.
///
/// # Safety
/// The substitutes behave like the functions that they stand for.
pub(super) unsafe fn patch(known: &mut Known, patch: &Patch<'_>) -> usize {
    struct Visit<'a> {
        known: &'a mut Known,
        patch: &'a Patch<'a>,
        patched: usize,
    }
    /// While it runs the linker's lock is held, so that no object disappears.
    unsafe extern "C" fn visit(info: *mut dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
        // SAFETY: the linker passes an object that stays for the call, and `data` is the visit that was passed below.
        let (info, visit) = unsafe { (&*info, &mut *data.cast::<Visit<'_>>()) };
        if visit.known.unloaded != info.dlpi_subs {
            // An address may be another object's by now. To patch an object twice does no harm.
            visit.known.objects.clear();
        }
        (visit.known.loaded, visit.known.unloaded) = (info.dlpi_adds, info.dlpi_subs);
        if visit.known.objects.insert(info.dlpi_phdr as u64) {
            // SAFETY: the object is completely loaded, as the linker lists it.
            let object = unsafe { Object::of(info) };
            if let Some(object) = object.filter(|object| !object.holds(visit.patch.spared)) {
                // SAFETY: as above; the caller vouches for the substitutes.
                visit.patched += usize::from(unsafe { object.patch(visit.patch.substitute) });
            }
        }
        0
    }
    let mut visiting = Visit {
        known,
        patch,
        patched: 0,
    };
    // SAFETY: the callback has the right type, and `visiting` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut visiting).cast()) };
    visiting.patched
}

/// One loaded object, with what is needed to find its slots.
struct Object<'a> {
    base: usize,
    name: &'a CStr,
    headers: &'a [Elf64_Phdr],
    relocations: [&'a [Elf64_Rela]; 2],
    symbols: *const Elf64_Sym,
    strings: *const c_char,
}

impl<'a> Object<'a> {
    /// # Safety
    /// `info` describes an object that is loaded and stays so for `'a`.
    unsafe fn of(info: &'a dl_phdr_info) -> Option<Self> {
        let base = info.dlpi_addr as usize;
        // SAFETY: the linker's own description of a loaded object.
        let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let dynamic = headers.iter().find(|h| h.p_type == libc::PT_DYNAMIC)?;
        let mut entry = (base + dynamic.p_vaddr as usize) as *const [i64; 2];
        let mut found = [0_usize; 7];
        loop {
            // SAFETY: the dynamic section is loaded and ends with a null entry.
            let [tag, value] = unsafe { *entry };
            let place = match tag {
                0 => break,
                tag::PLT => 0,
                tag::PLT_SIZE => 1,
                tag::RELOCATIONS => 2,
                tag::RELOCATIONS_SIZE => 3,
                tag::SYMBOLS => 4,
                tag::STRINGS => 5,
                tag::RELATIVE_COUNT => 6,
                _ => usize::MAX,
            };
            if let Some(slot) = found.get_mut(place) {
                *slot = value as usize;
            }
            // SAFETY: as above.
            entry = unsafe { entry.add(1) };
        }
        let [plt, plt_size, rela, rela_size, symbols, strings, relative] = found;
        if symbols == 0 || strings == 0 {
            return None;
        }
        // glibc has made these addresses absolute, musl has not.
        let absolute = |address: usize| {
            if address < base {
                base + address
            } else {
                address
            }
        };
        // SAFETY: tables of a loaded object, whose sizes the object tells.
        let table = |address: usize, bytes: usize| unsafe {
            if address == 0 {
                return &[][..];
            }
            let start = absolute(address) as *const Elf64_Rela;
            slice::from_raw_parts(start, bytes / size_of::<Elf64_Rela>())
        };
        let data = table(rela, rela_size);
        Some(Self {
            base,
            // SAFETY: the linker's name of the object, a C string that may be empty.
            name: unsafe { CStr::from_ptr(info.dlpi_name) },
            headers,
            // Those that only say where the object lies come first, and are the most.
            relocations: [table(plt, plt_size), data.get(relative..).unwrap_or(data)],
            symbols: absolute(symbols) as *const Elf64_Sym,
            strings: absolute(strings) as *const c_char,
        })
    }

    fn holds(&self, addresses: &[usize]) -> bool {
        self.headers.iter().any(|header| {
            let start = self.base + header.p_vaddr as usize;
            let range = start..start + header.p_memsz as usize;
            header.p_type == libc::PT_LOAD && addresses.iter().any(|a| range.contains(a))
        })
    }

    /// Whether there was something to patch.
    ///
    /// # Safety
    /// The object is loaded, and substitutes behave like what they stand for.
    unsafe fn patch(&self, substitute: &dyn Fn(&CStr, &CStr) -> Option<usize>) -> bool {
        let mut found = false;
        for record in self.relocations.into_iter().flatten() {
            let is_slot = matches!(
                record.r_info as u32,
                relocation::ABSOLUTE | relocation::GLOBAL_DATA | relocation::JUMP_SLOT
            );
            if !is_slot || record.r_addend != 0 {
                continue;
            }
            // SAFETY: a relocation of a loaded object names one of its symbols.
            let symbol = unsafe { &*self.symbols.add((record.r_info >> 32) as usize) };
            if symbol.st_shndx != 0 {
                continue; // Its own function.
            }
            // SAFETY: names are C strings in the table of strings.
            let name = unsafe { CStr::from_ptr(self.strings.add(symbol.st_name as usize)) };
            if let Some(function) = substitute(self.name, name) {
                let slot = (self.base + record.r_offset as usize) as *mut usize;
                // SAFETY: that is where the linker itself put the function.
                unsafe { self.write(slot, function) };
                found = true;
            }
        }
        found
    }

    /// # Safety
    /// `slot` is a word of this object that holds the address of a function with the same signature.
    unsafe fn write(&self, slot: *mut usize, function: usize) {
        // SAFETY: the slot is mapped and aligned. Other threads read it meanwhile, as one word.
        let word = unsafe { AtomicUsize::from_ptr(slot) };
        if word.load(Ordering::Relaxed) == function {
            return;
        }
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let page_of = |address: usize| address & !(page - 1);
        let is_sealed = self.headers.iter().any(|header| {
            let start = self.base + header.p_vaddr as usize;
            // The last page is sealed only if all of it is to be.
            let sealed = page_of(start)..page_of(start + header.p_memsz as usize);
            header.p_type == libc::PT_GNU_RELRO && sealed.contains(&(slot as usize))
        });
        if !is_sealed {
            word.store(function, Ordering::Release);
            return;
        }
        // SAFETY: the linker made this page read-only after it had filled it, and it becomes so again.
        unsafe {
            let start = ptr::without_provenance_mut(page_of(slot as usize));
            if libc::mprotect(start, page, libc::PROT_READ | libc::PROT_WRITE) == 0 {
                word.store(function, Ordering::Release);
                libc::mprotect(start, page, libc::PROT_READ);
            }
        }
    }
}
