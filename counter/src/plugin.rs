//! The door to QEMU: `include/qemu/qemu-plugin.h` of QEMU 7.2, as far as it is needed.
//!
//! QEMU's functions are looked up when the plugin is loaded, so that the library links, and the workspace builds, where
//! there is no QEMU.
#![allow(unsafe_code, reason = "QEMU's interface is C")]

use crate::{Counter, Model};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::{mem, ptr, slice};

type PluginId = u64;
/// A block of translated code, and one instruction of it: QEMU's own.
type Block = c_void;
type Instruction = c_void;

/// `QEMU_PLUGIN_CB_NO_REGS`, `QEMU_PLUGIN_MEM_W`.
const NO_REGISTERS: c_int = 0;
const WRITES: c_int = 2;

/// The version of the interface, which QEMU asks for first.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

macro_rules! interface {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// QEMU's functions, without their prefix `qemu_plugin_`.
        struct Interface { $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?),* }

        impl Interface {
            /// Looks all of them up; the name of the first one that is missing.
            fn find() -> Result<Self, &'static str> {
                $(
                    let name = concat!("qemu_plugin_", stringify!($name), "\0");
                    let found = symbol(name).ok_or(name)?;
                    // SAFETY: QEMU's header declares the function of this name so.
                    let $name = unsafe { mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(found) };
                )*
                Ok(Self { $($name),* })
            }
        }
    };
}

interface! {
    register_vcpu_tb_trans_cb: fn(PluginId, extern "C" fn(PluginId, *mut Block));
    register_vcpu_insn_exec_cb: fn(*mut Instruction, extern "C" fn(c_uint, *mut c_void), c_int, *mut c_void);
    register_vcpu_mem_cb: fn(*mut Instruction, extern "C" fn(c_uint, u32, u64, *mut c_void), c_int, c_int, *mut c_void);
    register_atexit_cb: fn(PluginId, extern "C" fn(PluginId, *mut c_void), *mut c_void);
    tb_n_insns: fn(*const Block) -> usize;
    tb_get_insn: fn(*const Block, usize) -> *mut Instruction;
    insn_data: fn(*const Instruction) -> *const c_void;
    insn_size: fn(*const Instruction) -> usize;
    insn_vaddr: fn(*const Instruction) -> u64;
    mem_size_shift: fn(u32) -> c_uint;
    mem_is_store: fn(u32) -> bool;
}

unsafe extern "C" {
    /// POSIX.
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `RTLD_DEFAULT`: whatever the process has loaded.
const EVERYWHERE: *mut c_void =
    if cfg!(target_os = "macos") { ptr::without_provenance_mut(usize::MAX - 1) } else { ptr::null_mut() };

fn symbol(name: &'static str) -> Option<*mut c_void> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
    // SAFETY: a C string; looking up changes nothing.
    let found = unsafe { dlsym(EVERYWHERE, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

static QEMU: OnceLock<Interface> = OnceLock::new();

/// What is counted, and where the report goes. One machine, one processor: nobody waits for the lock.
struct Session {
    counter: Counter,
    out: PathBuf,
}

static SESSION: Mutex<Option<Session>> = Mutex::new(None);

fn session() -> MutexGuard<'static, Option<Session>> {
    SESSION.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// QEMU has loaded the plugin: 0 if it is to stay.
///
/// # Safety
/// QEMU calls it, with `count` C strings at `arguments`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: PluginId,
    _machine: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    // SAFETY: as this function's own contract has it.
    let text = |i| unsafe { CStr::from_ptr(*arguments.add(i)) }.to_string_lossy().into_owned();
    let arguments: Vec<String> = (0..count as usize).map(text).collect();
    let installed = Session::new(&arguments).and_then(|session| {
        let found = Interface::find();
        Ok((session, found.map_err(|name| format!("this QEMU has no {}", name.trim_end_matches('\0')))?))
    });
    match installed {
        Ok((new, interface)) => {
            *session() = Some(new);
            let qemu = QEMU.get_or_init(|| interface);
            // SAFETY: `id` is QEMU's, the functions live as long as the plugin.
            unsafe {
                (qemu.register_vcpu_tb_trans_cb)(id, translated);
                (qemu.register_atexit_cb)(id, ended, ptr::null_mut());
            }
            0
        }
        Err(message) => {
            eprintln!("counter: {message}");
            1
        }
    }
}

impl Session {
    /// `laps=ADDRESS count=N out=FILE [model=NAME]`.
    fn new(arguments: &[String]) -> Result<Self, String> {
        let find = |key: &str| arguments.iter().find_map(|text| text.strip_prefix(key)?.strip_prefix('='));
        let need = |key: &str| find(key).ok_or_else(|| format!("the argument {key}=… is missing"));
        let number = |key: &str| {
            let text = need(key)?;
            let parsed = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u32::from_str_radix(hex, 16));
            parsed.map_err(|_| format!("expected a number, found {key}={text}"))
        };
        let (start, count) = (number("laps")?, number("count")?);
        let model = find("model").map(str::parse::<Model>).transpose()?;
        let end = start.checked_add(count).ok_or("the laps end behind the last address")?;
        Ok(Self { counter: Counter::new(model, start..end), out: need("out")?.into() })
    }
}

extern "C" fn translated(_: PluginId, block: *mut Block) {
    let (mut session, Some(qemu)) = (session(), QEMU.get()) else { return };
    let Some(Session { counter, .. }) = session.as_mut() else { return };
    // SAFETY: the block and its instructions are QEMU's and live through this call; the callbacks get numbers, not pointers.
    unsafe {
        for i in 0..(qemu.tb_n_insns)(block) {
            let instruction = (qemu.tb_get_insn)(block, i);
            let (data, len) = ((qemu.insn_data)(instruction), (qemu.insn_size)(instruction));
            let bytes = slice::from_raw_parts(data.cast::<u8>(), len);
            let half = |at: usize| bytes.get(at..at + 2).map_or(0, |half| u16::from_le_bytes([half[0], half[1]]));
            let number = counter.translated((qemu.insn_vaddr)(instruction) as u32, half(0), half(2));
            let number = ptr::without_provenance_mut(number);
            (qemu.register_vcpu_insn_exec_cb)(instruction, executed, NO_REGISTERS, number);
            (qemu.register_vcpu_mem_cb)(instruction, stored, NO_REGISTERS, WRITES, number);
        }
    }
}

extern "C" fn executed(_: c_uint, number: *mut c_void) {
    if let Some(session) = session().as_mut() {
        session.counter.executed(number.addr());
    }
}

extern "C" fn stored(_: c_uint, info: u32, address: u64, _: *mut c_void) {
    let (mut session, Some(qemu)) = (session(), QEMU.get()) else { return };
    // SAFETY: they take `info` apart and nothing else.
    let (is_store, len_bytes) = unsafe { ((qemu.mem_is_store)(info), 1 << (qemu.mem_size_shift)(info)) };
    // QEMU 7.2 calls for loads as well, whatever it was asked for.
    if let Some(session) = session.as_mut().filter(|_| is_store) {
        session.counter.stored(address as u32, len_bytes);
    }
}

extern "C" fn ended(_: PluginId, _: *mut c_void) {
    let Some(session) = session().take() else { return };
    let Some(report) = session.counter.report() else { return };
    if let Err(error) = std::fs::write(&session.out, report.to_string()) {
        eprintln!("counter: {}: {error}", session.out.display());
    }
}
