//! `export bench`: the plugin counts as the cores' manuals do, and every core's machine gives the host's bits.

use counter::Lap;
use export::board::bench::{Bench, Model, Packing, Plugin, bench, model, recorded};
use export::board::{self, CORES, core, core_name, target};
use export::plan::{self, Options};
use infer_nostd::Plan;
use std::path::Path;
use tests::zoo;

/// Where the program below has its array of laps.
const LAPS: u32 = 0x2000_0000;
/// Where its stack begins.
const STACK: u32 = 0x2000_1000;

/// Two laps with an instruction of every price. Its instructions stand with their bytes as GNU as makes them.
#[rustfmt::skip]
const PROGRAM: [u16; 32] = [
    0x1000, 0x2000, 0x0009, 0x0000, // vector table: the stack, the reset handler
    0x4C0A,         // 08    ldr   r4, =LAPS
    0x2000,         // 0a    movs  r0, #0
    0x7060,         // 0c    strb  r0, [r4, #1]      lap 1
    0x2164,         // 0e    movs  r1, #100
    0x3901,         // 10 1: subs  r1, #1            100 times
    0xD1FD,         // 12    bne   1b                99 times taken
    0x68A2,         // 14    ldr   r2, [r4, #8]
    0x68E3,         // 16    ldr   r3, [r4, #12]     overlaps with the one before
    0xB40F,         // 18    push  {r0-r3}
    0xBC0F,         // 1a    pop   {r0-r3}
    0x70A0,         // 1c    strb  r0, [r4, #2]      lap 2
    0xFB80, 0x5601, // 1e    smull r5, r6, r0, r1
    0x6125,         // 22    str   r5, [r4, #16]
    0xBF18,         // 24    it    ne
    0x2500,         // 26    movne r5, #0       skipped, and counted
    0x7020,         // 28    strb  r0, [r4, #0]      outside
    0x6165,         // 2a    str   r5, [r4, #20]     not counted
    0x4903,         // 2c    ldr   r1, =0x20026      the program ended well
    0x2018,         // 2e    movs  r0, #0x18         SYS_EXIT
    0xBEAB,         // 30    bkpt  0xab
    0xE7FE,         // 32    b     .
    0x0000, 0x2000, // 34    .word LAPS
    0x0000, 0x0000, // 38
    0x0026, 0x0002, // 3c    .word 0x20026
];

/// An ELF of one segment at address 0.
fn elf(program: &[u16]) -> Vec<u8> {
    let code: Vec<u8> = program.iter().flat_map(|half| half.to_le_bytes()).collect();
    let len = code.len() as u32;
    let ident = *b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0"; // 32 bits, low byte first
    let header = [0x0028_0002u32, 1, 9, 52, 0, 0x0500_0000, 0x0020_0034, 0x0028_0001, 0]; // an executable for Arm
    let segment = [1u32, 84, 0, 0, len, len, 5, 4]; // loaded from behind the headers, read and run
    let words = header.iter().chain(&segment).flat_map(|word| word.to_le_bytes());
    ident.into_iter().chain(words).chain(code).collect()
}

#[test]
fn a_known_program_has_the_counts_of_the_manuals() {
    let plugin = Plugin::build().unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("program.elf");
    std::fs::write(&file, elf(&PROGRAM)).expect("a temporary file");
    let count = |machine: &str, model| {
        let machine = core(machine).expect("in the table");
        plugin.count(machine, &file, LAPS..LAPS + 3, model).unwrap_or_else(|e| panic!("{e}"))
    };
    // Lap 1: movs, 100 × subs, 99 × bne taken and 1 not, ldr, ldr, push, pop, strb. Lap 2: smull, str, it, movne, strb.
    let lap_1 = |cycles| Lap { instructions: 1 + 100 + 100 + 5, cycles };
    let lap_2 = |cycles| Lap { instructions: 5, cycles };
    let m4 = [Lap::default(), lap_1(1 + 100 + 298 + 2 + 1 + 5 + 5 + 1), lap_2(1 + 1 + 1 + 1 + 1)];
    let report = count("m4", Some(Model::M4));
    assert_eq!(report.laps, m4);
    assert_eq!(report.written, [LAPS + 16..LAPS + 20, STACK - 16..STACK]);
    assert_eq!((report.code.len(), &report.code[0]), (1, &(0x0E..0x2A)));
    let m3 = [Lap::default(), m4[1], lap_2(4 + 1 + 1 + 1 + 1)];
    assert_eq!(count("m3", Some(Model::M3)).laps, m3);
    // On an M0 loads and stores take two cycles and do not overlap.
    assert_eq!(count("m3", Some(Model::M0)).laps[1], lap_1(1 + 100 + 298 + 2 + 2 + 5 + 5 + 2));
    assert_eq!(count("m7", None).laps[1], lap_1(0));
}

/// The most that an inference of the seed network may take. Counts are the same on every machine, so they can be held: a
/// change that costs more has to say so here. CMSIS-NN takes 20.74, 9.22 and 6.90 million and 14.5 KB (`bench::recorded`).
struct Budget {
    core: &'static str,
    plan: Planned,
    instructions: u64,
    /// RAM written, the stack included.
    ram_bytes: u64,
}

/// Which plan.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Planned {
    Smallest,
    Fastest,
    /// The fastest of so many bytes of flash for plan and kernels, and of RAM for rows and kernels.
    Within(usize, usize),
}

#[rustfmt::skip]
const BUDGETS: [Budget; 10] = [
    Budget { core: "m0", plan: Planned::Smallest, instructions: 7_650_000, ram_bytes: 4_900 },
    Budget { core: "m0", plan: Planned::Within(42_000, 4_400), instructions: 5_700_000, ram_bytes: 4_900 },
    Budget { core: "m0", plan: Planned::Fastest, instructions: 5_550_000, ram_bytes: 6_900 },
    Budget { core: "m3", plan: Planned::Smallest, instructions: 4_250_000, ram_bytes: 4_300 },
    Budget { core: "m3", plan: Planned::Fastest, instructions: 2_450_000, ram_bytes: 5_100 },
    Budget { core: "m4", plan: Planned::Smallest, instructions: 2_100_000, ram_bytes: 5_000 },
    Budget { core: "m4", plan: Planned::Within(29_600, 4_600), instructions: 2_050_000, ram_bytes: 5_000 },
    Budget { core: "m4", plan: Planned::Fastest, instructions: 1_800_000, ram_bytes: 6_500 },
    Budget { core: "m7", plan: Planned::Fastest, instructions: 1_800_000, ram_bytes: 6_500 },
    Budget { core: "m33", plan: Planned::Fastest, instructions: 1_800_000, ram_bytes: 6_500 },
];

#[test]
fn every_core_gives_the_hosts_bits_and_keeps_its_budget() {
    let plugin = Plugin::build().unwrap_or_else(|e| panic!("{e}"));
    let graph = zoo::int8("mnist-cnn");
    let mut kept = true;
    for Budget { core: name, plan: planned, instructions, ram_bytes } in BUDGETS {
        let core = core(name).expect("in the table");
        let options = Options { target: target(core), ..Options::default() };
        let (options, packing) = match planned {
            Planned::Smallest => (Options { smallest: true, ..options }, Some(Packing::Smallest)),
            Planned::Fastest => (options, Some(Packing::Fastest)),
            Planned::Within(flash, ram) => {
                (Options { flash_budget: Some(flash), ram_budget: Some(ram), ..options }, None)
            }
        };
        let words = plan::plan_for(&graph, &options).expect("a network that ships");
        // Logits that are not the host's end it with an error.
        let bench = bench(&plugin, &plan::to_bytes(&words), core, packing).unwrap_or_else(|e| panic!("{e}"));
        for (what, found, most) in [
            ("instructions", bench.total.instructions, instructions),
            ("bytes of RAM", bench.total.ram_bytes, ram_bytes),
        ] {
            println!("{name}, {planned:?}: {found} {what}, at most {most}");
            kept &= found <= most;
        }
        adds_up(&bench, &Plan::parse(&words).expect("a plan that passes its check"));
    }
    assert!(kept, "a line above is over its budget");
    assert!(CORES.iter().all(|core| BUDGETS.iter().any(|budget| budget.core == core_name(core))));
}

/// What must be so of any network on any core.
fn adds_up(bench: &Bench, plan: &Plan) {
    let (total, core) = (&bench.total, bench.total.core);
    let names: Vec<_> = bench.layers.iter().map(|row| row.layer.clone().expect("a layer's name")).collect();
    assert_eq!(names, plan::names(plan)[1..], "{core}");
    assert_eq!(total.instructions, bench.layers.iter().map(|row| row.instructions).sum::<u64>(), "{core}");
    assert!(bench.layers.iter().all(|row| row.instructions > 0), "{core}: {:?}", bench.layers);
    assert_eq!(total.cycles.is_some(), model(board::core(core).expect("in the table")).is_some(), "{core}");
    assert!(total.cycles.is_none_or(|cycles| cycles > total.instructions), "{core}: {total:?}");
    let planned = (4 * plan.arena_words() + plan.stack_bytes()) as u64;
    assert!((planned / 2..planned + 512).contains(&total.ram_bytes), "{core}: {total:?} of {planned}");
    let code = total.flash_code_bytes.expect("of the whole");
    assert!((1024..=bench.text_bytes).contains(&code), "{core}: {bench:?}");
    let json = serde_json::to_value(total).expect("plain numbers");
    assert!(json["layer"].is_null() && json.get("cycles").is_some() == total.cycles.is_some(), "{json}");
    let packing = total.packing.map(|packing| if packing == Packing::Smallest { "smallest" } else { "fastest" });
    assert_eq!(json["packing"].as_str(), packing, "{json}");
}

#[test]
fn recorded_figures_are_held_against_their_own_network_only() {
    let known = |network| {
        let words = plan::words(&zoo::read(network, "net.plan"));
        let plan = Plan::parse(&words).expect("a plan that passes its check");
        CORES.iter().filter(|core| recorded(&plan, core_name(core)).is_some()).count()
    };
    assert_eq!(known("mnist-cnn"), CORES.len());
    assert_eq!(known("mnist-dsres"), 0);
}

#[test]
fn a_program_that_begins_no_lap_is_told() {
    let plugin = Plugin::build().unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("program.elf");
    std::fs::write(&file, elf(&PROGRAM)).expect("a temporary file");
    let elsewhere = LAPS + 64..LAPS + 67;
    let error = plugin.count(&CORES[1], Path::new(&file), elsewhere, None).unwrap_err().to_string();
    assert!(error.contains("no lap began"), "{error}");
}
