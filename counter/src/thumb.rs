//! Thumb encodings, as far as time depends on them: *Armv7-M Architecture Reference Manual*, chapter A5.

/// Instructions that take the same time on every core modelled here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Arithmetic, logic, moves, 32-bit and 16-bit products, SIMD, saturation, IT, NOP, floating point but for the two below.
    Alu,
    /// An addition or a move to the PC.
    AluToPc,
    /// MLA, MLS.
    MultiplyAdd,
    /// 64-bit products and their sums, and the high halves of them: SMULL, UMLAL, SMMUL…
    LongMultiply,
    /// SDIV, UDIV.
    Divide,
    /// A word or less to a register.
    Load,
    /// A word to the PC.
    LoadToPc,
    /// So many words, the PC among them or not: LDM, POP, LDRD, VLDR, VLDM.
    LoadMultiple {
        /// Words.
        words: u8,
        /// Whether the last goes to the PC.
        to_pc: bool,
    },
    /// A word or less to memory.
    Store,
    /// So many words: STM, PUSH, STRD, VSTR, VSTM.
    StoreMultiple {
        /// Words.
        words: u8,
    },
    /// B, BX, BLX to a register.
    Branch,
    /// B with a condition, CBZ, CBNZ.
    ConditionalBranch,
    /// BL.
    Call,
    /// TBB, TBH.
    TableBranch,
    /// MRS, MSR, barriers, hints but NOP and YIELD, CPS, SVC, BKPT, UDF.
    System,
    /// VMLA, VMLS, VFMA and their kin.
    FloatMultiplyAdd,
    /// VDIV, VSQRT.
    FloatDivide,
}

/// Bytes of the instruction that begins with this halfword: 2 or 4.
pub const fn len_bytes(first: u16) -> u32 {
    if first >= 0xE800 { 4 } else { 2 }
}

/// The class of an instruction; `second` is looked at where `first` begins one of four bytes.
pub fn decode(first: u16, second: u16) -> Class {
    match first {
        0xE800.. => wide(first, second),
        _ => narrow(first),
    }
}

fn narrow(code: u16) -> Class {
    match code {
        0x0000..=0x43FF => Class::Alu,
        // CMP of high registers has its own bits; ADD and MOV name the PC by bits 7 and 2…0.
        0x4400..=0x44FF | 0x4600..=0x46FF if code & 0x87 == 0x87 => Class::AluToPc,
        0x4400..=0x46FF => Class::Alu,
        0x4700..=0x47FF => Class::Branch,
        0x4800..=0x4FFF => Class::Load,
        0x5000..=0x55FF => Class::Store,
        0x5600..=0x5FFF => Class::Load,
        // Immediate offsets, and offsets from SP: bit 11 tells loads from stores.
        0x6000..=0x9FFF if code & 0x0800 == 0 => Class::Store,
        0x6000..=0x9FFF => Class::Load,
        0xA000..=0xAFFF => Class::Alu,
        0xB000..=0xBFFF => miscellaneous(code),
        0xC000..=0xC7FF => Class::StoreMultiple { words: ones(code & 0xFF) },
        0xC800..=0xCFFF => Class::LoadMultiple { words: ones(code & 0xFF), to_pc: false },
        0xD000..=0xDDFF => Class::ConditionalBranch,
        0xDE00..=0xDFFF => Class::System,
        _ => Class::Branch,
    }
}

fn miscellaneous(code: u16) -> Class {
    match code & 0x0F00 {
        0x0100 | 0x0300 | 0x0900 | 0x0B00 => Class::ConditionalBranch,
        0x0400 | 0x0500 => Class::StoreMultiple { words: ones(code & 0x1FF) },
        0x0C00 | 0x0D00 => Class::LoadMultiple { words: ones(code & 0x1FF), to_pc: code & 0x100 != 0 },
        0x0600 | 0x0E00 => Class::System,
        // IT has a mask in the low bits; of the hints, NOP and YIELD are over at once.
        0x0F00 if code & 0x0F == 0 && code & 0xF0 > 0x10 => Class::System,
        _ => Class::Alu,
    }
}

fn wide(first: u16, second: u16) -> Class {
    match first {
        0xE800..=0xE9FF if first & 0x40 == 0 => multiple(first, second),
        0xE800..=0xE9FF => dual_or_exclusive(first, second),
        0xEC00..=0xEFFF | 0xFC00..=0xFFFF => coprocessor(first, second),
        0xF000..=0xF7FF if second & 0x8000 != 0 => branch_or_system(first, second),
        0xF800..=0xF9FF => single(first, second),
        0xFB00..=0xFBFF => multiply_or_divide(first, second),
        _ => Class::Alu,
    }
}

fn multiple(first: u16, second: u16) -> Class {
    let words = ones(second);
    if is_load(first) {
        Class::LoadMultiple { words, to_pc: second & 0x8000 != 0 }
    } else {
        Class::StoreMultiple { words }
    }
}

fn dual_or_exclusive(first: u16, second: u16) -> Class {
    let indexed_or_write_back = first & 0x0120 != 0;
    match (is_load(first), indexed_or_write_back) {
        (true, true) => Class::LoadMultiple { words: 2, to_pc: false },
        (false, true) => Class::StoreMultiple { words: 2 },
        (true, false) if first & 0x80 != 0 && second & 0xE0 == 0 => Class::TableBranch,
        (true, false) => Class::Load,
        (false, false) => Class::Store,
    }
}

fn branch_or_system(first: u16, second: u16) -> Class {
    match second & 0x5000 {
        0x5000 => Class::Call,
        0x1000 | 0x4000 => Class::Branch, // 0x4000: the low-overhead loops of Armv8.1-M
        _ if first & 0x0380 != 0x0380 => Class::ConditionalBranch,
        _ if first == 0xF3AF && second & 0xFF <= 1 => Class::Alu, // NOP, YIELD
        _ => Class::System,
    }
}

fn single(first: u16, second: u16) -> Class {
    let (word, to_pc) = (first & 0x60 == 0x40, second >> 12 == 15);
    match (is_load(first), to_pc) {
        (false, _) => Class::Store,
        (true, true) if word => Class::LoadToPc,
        (true, true) => Class::Alu, // PLD, PLI
        (true, false) => Class::Load,
    }
}

fn multiply_or_divide(first: u16, second: u16) -> Class {
    let (operation, low) = (first & 0xF0, second & 0xF0);
    match operation {
        0x00 if low == 0x00 && second >> 12 == 15 => Class::Alu, // MUL
        0x00 => Class::MultiplyAdd,
        0x50 | 0x60 | 0x80 | 0xA0 | 0xE0 => Class::LongMultiply,
        0x90 | 0xB0 => Class::Divide,
        0xC0 if low < 0xC0 => Class::LongMultiply, // SMLAL and its halfwords; above are SMLALD and SMLALDX
        _ => Class::Alu,
    }
}

fn coprocessor(first: u16, second: u16) -> Class {
    let memory = first & 0x1200 == 0 && first & 0xFFE0 != 0xEC40; // that one is VMOV of two registers
    if memory {
        // VLDR and VSTR (indexed, no write-back) move one register, VLDM and VSTM as many words as they say.
        let registers = if first & 0x0120 == 0x0100 { 1 + (second >> 8 & 1) as u8 } else { second as u8 };
        return match is_load(first) {
            true => Class::LoadMultiple { words: registers, to_pc: false },
            false => Class::StoreMultiple { words: registers },
        };
    }
    let computes = first & 0xFF00 == 0xEE00 && second & 0x10 == 0;
    match first & 0xB0 {
        0x00 | 0x10 | 0x90 | 0xA0 if computes => Class::FloatMultiplyAdd,
        0x80 if computes => Class::FloatDivide,
        0xB0 if computes && first & 0x0F == 1 && second & 0xC0 == 0xC0 => Class::FloatDivide,
        _ => Class::Alu,
    }
}

/// Bit 4 of the first halfword, in all the encodings of loads and stores.
fn is_load(first: u16) -> bool {
    first & 0x10 != 0
}

fn ones(list: u16) -> u8 {
    list.count_ones() as u8
}

#[cfg(test)]
mod tests {
    use super::Class::*;
    use super::*;

    /// Encodings as GNU as writes them, a line each.
    #[track_caller]
    fn check(class: Class, codes: &[(u32, &str)]) {
        for &(code, text) in codes {
            let (first, second) = if code > 0xFFFF { ((code >> 16) as u16, code as u16) } else { (code as u16, 0) };
            assert_eq!(decode(first, second), class, "{text} ({code:#x})");
            assert_eq!(len_bytes(first), if code > 0xFFFF { 4 } else { 2 }, "{text}");
        }
    }

    #[test]
    fn two_bytes() {
        let alu = [
            (0x1888, "adds r0, r1, r2"),
            (0x2064, "movs r0, #100"),
            (0x4348, "muls r0, r1"),
            (0x45B8, "cmp r8, r7"),
            (0x4447, "add r7, r8"),
            (0x4680, "mov r8, r0"),
            (0xA003, "add r0, pc, #12"),
            (0xA801, "add r0, sp, #4"),
            (0xB082, "sub sp, #8"),
            (0xB2C8, "uxtb r0, r1"),
            (0xBA08, "rev r0, r1"),
            (0xBF08, "it eq"),
            (0xBF00, "nop"),
            (0xBF10, "yield"),
        ];
        check(Alu, &alu);
        check(AluToPc, &[(0x46F7, "mov pc, lr"), (0x4487, "add pc, r0")]);
        check(Branch, &[(0x4770, "bx lr"), (0x4798, "blx r3"), (0xE7ED, "b")]);
        check(ConditionalBranch, &[(0xB100, "cbz r0, …"), (0xB930, "cbnz r0, …"), (0xD0EE, "beq")]);
        let system = [
            (0xB672, "cpsid i"),
            (0xBE00, "bkpt 0"),
            (0xBF20, "wfe"),
            (0xBF30, "wfi"),
            (0xBF40, "sev"),
            (0xDE00, "udf #0"),
            (0xDF00, "svc 0"),
        ];
        check(System, &system);
    }

    #[test]
    fn two_bytes_to_and_from_memory() {
        let loads = [
            (0x4801, "ldr r0, [pc, #4]"),
            (0x5888, "ldr r0, [r1, r2]"),
            (0x5688, "ldrsb r0, [r1, r2]"),
            (0x5E88, "ldrsh r0, [r1, r2]"),
            (0x6848, "ldr r0, [r1, #4]"),
            (0x78C8, "ldrb r0, [r1, #3]"),
            (0x8848, "ldrh r0, [r1, #2]"),
            (0x9801, "ldr r0, [sp, #4]"),
        ];
        check(Load, &loads);
        let stores = [
            (0x5088, "str r0, [r1, r2]"),
            (0x5488, "strb r0, [r1, r2]"),
            (0x6048, "str r0, [r1, #4]"),
            (0x70C8, "strb r0, [r1, #3]"),
            (0x8048, "strh r0, [r1, #2]"),
            (0x9001, "str r0, [sp, #4]"),
        ];
        check(Store, &stores);
        check(StoreMultiple { words: 3 }, &[(0xB530, "push {r4, r5, lr}")]);
        check(StoreMultiple { words: 2 }, &[(0xC006, "stmia r0!, {r1, r2}")]);
        check(LoadMultiple { words: 2, to_pc: false }, &[(0xBC30, "pop {r4, r5}")]);
        check(LoadMultiple { words: 3, to_pc: true }, &[(0xBD30, "pop {r4, r5, pc}")]);
        check(LoadMultiple { words: 3, to_pc: false }, &[(0xC80E, "ldmia r0!, {r1, r2, r3}")]);
    }

    #[test]
    fn four_bytes() {
        let alu = [
            (0xEB01_00C2, "add.w r0, r1, r2, lsl #3"),
            (0xEAC1_0002, "pkhbt r0, r1, r2"),
            (0xF240_40D2, "movw r0, #1234"),
            (0xF301_0007, "ssat r0, #8, r1"),
            (0xF361_0084, "bfi r0, r1, #2, #3"),
            (0xF3AF_8000, "nop.w"),
            (0xF890_F000, "pld [r0]"),
            (0xFA01_F002, "lsl.w r0, r1, r2"),
            (0xFA2F_F081, "sxtb16 r0, r1"),
            (0xFA21_F082, "sxtab16 r0, r1, r2"),
            (0xFA81_F042, "uadd8 r0, r1, r2"),
            (0xFAB1_F081, "clz r0, r1"),
            (0xFB01_F802, "mul.w r8, r1, r2"),
            (0xFB11_F002, "smulbb r0, r1, r2"),
            (0xFB11_3002, "smlabb r0, r1, r2, r3"),
            (0xFB21_3002, "smlad r0, r1, r2, r3"),
            (0xFB21_F002, "smuad r0, r1, r2"),
            (0xFB31_3002, "smlawb r0, r1, r2, r3"),
            (0xFB41_3002, "smlsd r0, r1, r2, r3"),
            (0xFB71_F002, "usad8 r0, r1, r2"),
            (0xFBC2_01C3, "smlald r0, r1, r2, r3"),
            (0xFBD2_01C3, "smlsld r0, r1, r2, r3"),
        ];
        check(Alu, &alu);
        check(MultiplyAdd, &[(0xFB01_3002, "mla r0, r1, r2, r3"), (0xFB01_3012, "mls r0, r1, r2, r3")]);
        let long = [
            (0xFB51_F002, "smmul r0, r1, r2"),
            (0xFB51_3012, "smmlar r0, r1, r2, r3"),
            (0xFB61_3002, "smmls r0, r1, r2, r3"),
            (0xFB82_0103, "smull r0, r1, r2, r3"),
            (0xFBA2_0103, "umull r0, r1, r2, r3"),
            (0xFBC2_0103, "smlal r0, r1, r2, r3"),
            (0xFBC2_0183, "smlalbb r0, r1, r2, r3"),
            (0xFBE2_0103, "umlal r0, r1, r2, r3"),
            (0xFBE2_0163, "umaal r0, r1, r2, r3"),
        ];
        check(LongMultiply, &long);
        check(Divide, &[(0xFB91_F0F2, "sdiv r0, r1, r2"), (0xFBB1_F0F2, "udiv r0, r1, r2")]);
        check(Branch, &[(0xF7FF_BFA9, "b.w")]);
        check(ConditionalBranch, &[(0xF47F_AFAB, "bne.w")]);
        check(Call, &[(0xF7FF_FFA7, "bl")]);
        check(TableBranch, &[(0xE8DF_F000, "tbb [pc, r0]"), (0xE8DF_F010, "tbh [pc, r0, lsl #1]")]);
        let system = [
            (0xF3BF_8F5F, "dmb sy"),
            (0xF3EF_8010, "mrs r0, PRIMASK"),
            (0xF380_8810, "msr PRIMASK, r0"),
            (0xF3AF_8003, "wfi.w"),
        ];
        check(System, &system);
    }

    #[test]
    fn four_bytes_to_and_from_memory() {
        let loads = [
            (0xF8D1_0190, "ldr.w r0, [r1, #400]"),
            (0xF911_0B01, "ldrsb.w r0, [r1], #1"),
            (0xF931_0C02, "ldrsh.w r0, [r1, #-2]"),
            (0xF851_0022, "ldr.w r0, [r1, r2, lsl #2]"),
            (0xE851_0F00, "ldrex r0, [r1]"),
            (0xE8D1_0F4F, "ldrexb r0, [r1]"),
        ];
        check(Load, &loads);
        check(LoadToPc, &[(0xF8D1_F004, "ldr.w pc, [r1, #4]"), (0xF85D_FB04, "ldr.w pc, [sp], #4")]);
        let stores = [
            (0xF8C1_0190, "str.w r0, [r1, #400]"),
            (0xF801_0B01, "strb.w r0, [r1], #1"),
            (0xF821_0012, "strh.w r0, [r1, r2, lsl #1]"),
            (0xE842_1000, "strex r0, r1, [r2]"),
            (0xE8C2_1F40, "strexb r0, r1, [r2]"),
        ];
        check(Store, &stores);
        check(StoreMultiple { words: 9 }, &[(0xE92D_4FF0, "push.w {r4-r11, lr}")]);
        check(StoreMultiple { words: 2 }, &[(0xE962_0102, "strd r0, r1, [r2, #-8]!")]);
        check(LoadMultiple { words: 9, to_pc: true }, &[(0xE8BD_8FF0, "pop.w {r4-r11, pc}")]);
        check(LoadMultiple { words: 3, to_pc: false }, &[(0xE890_0106, "ldmia.w r0, {r1, r2, r8}")]);
        let pairs = [(0xE9D2_0100, "ldrd r0, r1, [r2]"), (0xE8F2_0102, "ldrd r0, r1, [r2], #8")];
        check(LoadMultiple { words: 2, to_pc: false }, &pairs);
    }

    #[test]
    fn floating_point() {
        let alu = [
            (0xEC51_0B10, "vmov r0, r1, d0"),
            (0xEE00_0A10, "vmov s0, r0"),
            (0xEEF1_0A10, "vmrs r0, fpscr"),
            (0xEE30_0A81, "vadd.f32 s0, s1, s2"),
            (0xEE20_0A81, "vmul.f32 s0, s1, s2"),
            (0xEEB8_0AE0, "vcvt.f32.s32 s0, s1"),
            (0xEEB1_0A60, "vneg.f32 s0, s1"),
        ];
        check(Alu, &alu);
        let multiply_add = [
            (0xEE00_0A81, "vmla.f32 s0, s1, s2"),
            (0xEE00_0AC1, "vmls.f32 s0, s1, s2"),
            (0xEE10_0AC1, "vnmla.f32 s0, s1, s2"),
            (0xEE90_0A81, "vfnms.f32 s0, s1, s2"),
            (0xEEA0_0A81, "vfma.f32 s0, s1, s2"),
        ];
        check(FloatMultiplyAdd, &multiply_add);
        check(FloatDivide, &[(0xEE80_0A81, "vdiv.f32 s0, s1, s2"), (0xEEB1_0AE0, "vsqrt.f32 s0, s1")]);
        check(LoadMultiple { words: 1, to_pc: false }, &[(0xED90_0A00, "vldr s0, [r0]")]);
        check(LoadMultiple { words: 2, to_pc: false }, &[(0xED90_0B00, "vldr d0, [r0]")]);
        check(StoreMultiple { words: 2 }, &[(0xED80_0B00, "vstr d0, [r0]")]);
        let four = [(0xECB0_0A04, "vldmia r0!, {s0-s3}"), (0xECBD_8B04, "vpop {d8-d9}")];
        check(LoadMultiple { words: 4, to_pc: false }, &four);
        check(StoreMultiple { words: 4 }, &[(0xED2D_8B04, "vpush {d8-d9}")]);
    }
}
