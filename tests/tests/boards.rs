//! The very ELF that is flashed, in QEMU's machine of the same chip: the same bits as on the host, within the chip's RAM.

use data::digits;
use export::board::{
    self, BOARDS, Board, BoardError, Budget, Emulated, Firmware, Kind, Map, Program, RttLine, SUBSETS, SerialLine,
};
use export::plan::{self, Options, Target};
use export::quantize::QuantGraph;
use export::validate::images::to_steps;
use export::validate::{self, Stage};
use infer_nostd::plan::crc32;
use infer_nostd::{Engine, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use talk::host::{Host, Line};
use talk::message::Request;
use tests::generate::Generator;
use tests::zoo::{int8, read};

/// Images a board is asked: enough to fill every ring many times over, few enough for an emulator.
const IMAGES: usize = 40;

fn on_this_machine(plan: &[u8], images: &[f32]) -> Vec<f32> {
    validate::open(plan).expect("a plan").answer(images).expect("images of the right size")
}

/// Logits as the reals that the steps stand for.
fn assert_answers(board: &'static Board, plan: &[u8], images: &[f32], expected: &[f32]) -> Emulated {
    let words = plan::words(plan);
    let firmware = Firmware::build(board, plan).unwrap_or_else(|e| panic!("{e}"));
    let emulated = Emulated::new(firmware, &Plan::parse(&words).expect("a plan that passes its check"));
    let answers = emulated.answer(images).unwrap_or_else(|e| panic!("{e}"));
    assert!(answers == expected, "{}: other logits than the host's", board.name);
    emulated
}

fn digit_images() -> Vec<f32> {
    let dataset = digits::generate(9, IMAGES);
    validate::images::nchw(&dataset, 0..IMAGES)
}

/// Plans for the boards' own cores: the smallest and the fastest of one network, the fastest of the other; and all of them
/// answer as the portable plan does, whatever the kernels.
#[test]
fn the_shipped_networks_give_the_hosts_bits_on_every_board() {
    let images = digit_images();
    for network in models::zoo::NAMES {
        let graph = int8(network);
        let expected = on_this_machine(&read(network, "net.plan"), &images);
        for board in board::emulated() {
            let smallest = Options { target: board::target(board), smallest: true, ..Options::default() };
            let smallest = plan::plan_for(&graph, &smallest).expect("a network that ships");
            let fastest = board::fastest_plan(&graph, board).expect("a plan that fits");
            let plans =
                if network == "mnist-cnn" && smallest != fastest { vec![smallest, fastest] } else { vec![fastest] };
            for words in plans {
                let emulated = assert_answers(board, &plan::to_bytes(&words), &images, &expected);
                let figures = emulated.figures().expect("it has run");
                let ram = board.ram.len_bytes as usize;
                assert!(figures.ram_bytes < ram, "{network} on {}: {figures:?} of {ram} bytes", board.name);
            }
        }
    }
}

/// The plan that a board is flashed with.
fn shipped(board: &Board) -> Vec<u8> {
    plan::to_bytes(&board::fastest_plan(&int8("mnist-cnn"), board).expect("a plan that fits"))
}

#[test]
fn the_self_test_passes_and_says_so_by_its_status() {
    let mut checksums = BTreeSet::new();
    for board in board::emulated() {
        let firmware = Firmware::build(board, &shipped(board)).unwrap_or_else(|e| panic!("{e}"));
        let output = firmware.run(&[], Duration::from_secs(60)).unwrap_or_else(|e| panic!("{e}"));
        assert!(output.status.success(), "{}", output.printed);
        let lines: Vec<&str> = output.printed.lines().collect();
        assert!(lines.contains(&"accuracy 20/20"), "{}", output.printed);
        assert!(lines.contains(&"equal 20/20"), "{}", output.printed);
        assert_eq!(lines.last(), Some(&"PASS"), "{}", output.printed);
        checksums.extend(lines.iter().filter(|line| line.starts_with("checksum ")).map(|line| line.to_string()));
    }
    assert_eq!(checksums.len(), 1, "the boards' logits differ: {checksums:?}");
}

/// The program that answers on a line, after noise on it and a host that went away within an image.
fn assert_serves<L: Line>(
    board: &'static Board,
    program: Program,
    open: fn(Firmware) -> Result<L, BoardError>,
    images: &[f32],
) {
    let bytes = shipped(board);
    let words = plan::words(&bytes);
    let checked = Plan::parse(&words).expect("a plan that passes its check");
    let firmware = Firmware::program(program, board, &bytes).unwrap_or_else(|e| panic!("{e}"));
    let static_bytes = firmware.image.static_bytes;
    let mut line = open(firmware).unwrap_or_else(|e| panic!("{e}"));
    let garbage: Vec<u8> = (0..500u32).map(|i| ((i * i) >> 3) as u8).collect();
    line.send(&garbage).expect("a line");
    let mut row = Vec::new();
    Request::Row { number: 0, values: &[7; 28] }.send(|byte| row.push(byte));
    line.send(&row).expect("a line");

    let mut host = Host::connect(line).unwrap_or_else(|e| panic!("{}: {e}", board.name));
    assert_eq!(host.hello().plan_crc, crc32(&words, 0), "{}", board.name);
    let test = host.self_test().unwrap_or_else(|e| panic!("{}: {e}", board.name));
    assert!(test.passed, "{}: {test:?}", board.name);
    assert_eq!(test.static_bytes as usize, static_bytes, "{}: as the ELF has it", board.name);
    let ram = test.static_bytes + test.stack_bytes;
    assert!(test.stack_bytes > 0 && ram < board.ram.len_bytes, "{}: {test:?}", board.name);
    for image in to_steps(&images[..3 * checked.input().len()], &checked.input()).chunks(checked.input().len()) {
        let mut arena = vec![0; checked.arena_words()];
        let mut engine = Engine::new(checked, &mut arena).expect("an arena of the plan's size");
        let answer = host.classify(image).unwrap_or_else(|e| panic!("{}: {e}", board.name));
        assert_eq!(engine.infer(image).expect("an image of the right size"), answer.logits, "{}", board.name);
        assert!(answer.ticks > 0, "{}", board.name);
    }
}

#[test]
fn every_emulated_board_answers_on_its_serial_line() {
    let images = digit_images();
    for board in board::emulated() {
        assert_serves(board, Program::Serve, SerialLine::emulated, &images);
    }
}

/// Log lines go to a ring that nobody reads, and what the texts of them are stays in the ELF, where it takes nothing of the chip.
#[test]
fn serve_answers_as_well_when_it_logs() {
    let images = digit_images();
    for name in ["nrf51822", "stm32f405"] {
        let board = board::board(name).expect("in the table");
        assert_serves(board, Program::ServeWithLogs, SerialLine::emulated, &images);
        let firmware = Firmware::program(Program::ServeWithLogs, board, &shipped(board)).expect("it was built");
        let elf = std::fs::read(firmware.elf()).expect("an ELF");
        let names = |text: &str| elf.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        for text in
            ["class {=usize}, {=u32} cycles", "frame dropped: damaged, or longer than any request", "clock {=u32} Hz"]
        {
            assert!(names(text), "{name}: `{text}`");
        }
    }
}

/// The stack lies below the statics: one that is used up leaves RAM and overwrites nothing.
#[test]
fn a_stack_that_is_used_up_ends_the_program() {
    for board in board::emulated() {
        let firmware = Firmware::build(board, &shipped(board)).unwrap_or_else(|e| panic!("{e}"));
        let output = firmware.run(&["overflow"], Duration::from_secs(60)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(output.status.code(), Some(139), "{}: {}", board.name, output.printed);
        let words =
            output.printed.strip_prefix("stack overflow at sp ").unwrap_or_else(|| panic!("{}", output.printed));
        let (sp, caller) = words.trim().split_once(", called from ").expect("two addresses");
        let [sp, caller] = [sp, caller].map(|hex| u32::from_str_radix(hex, 16).expect("eight digits"));
        let end = board.ram.origin;
        assert!((end - 256..end + 64).contains(&sp), "{}: {sp:#x}", board.name);
        assert!(caller.wrapping_sub(board.flash.origin) < board.flash.len_bytes, "{}: {caller:#x}", board.name);
    }
}

/// QEMU in the place of the probe: the rings in the chip's memory, by the protocol that probe-rs serves as well.
#[test]
fn boards_of_both_families_answer_through_a_debugger() {
    let images = digit_images();
    for name in ["stm32f405", "fe310"] {
        let board = board::board(name).expect("in the table");
        assert_serves(board, Program::ServeOverRtt, RttLine::emulated, &images);
    }
}

/// Every byte of flash and RAM is somebody's, and the picture's figures are the ELF's and the plan's.
#[test]
fn a_map_accounts_for_every_byte() {
    let board = board::board("nrf51822").expect("in the table");
    let bytes = shipped(board);
    let words = plan::words(&bytes);
    let arena_bytes = 4 * Plan::parse(&words).expect("a plan that passes its check").arena_words() as u64;
    let firmware = Firmware::program(Program::Serve, board, &bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut map = Map::new(&firmware).unwrap_or_else(|e| panic!("{e}"));
    let static_bytes = firmware.image.static_bytes as u64;
    assert_eq!(map.flash.used_bytes(), firmware.image.flash_bytes as u64);
    assert_eq!(map.flash.parts[&Kind::Plan], bytes.len() as u64);
    assert_eq!(map.flash.parts[&Kind::Vectors], 4 * (16 + 32)); // Armv6-M's
    assert_eq!((map.ram.parts[&Kind::Arena], map.ram.used_bytes()), (arena_bytes, static_bytes));
    map.ran(1_000);
    assert_eq!(map.ram.used_bytes(), static_bytes + 1_000);
    for (space, region) in [(&map.flash, &board.flash), (&map.ram, &board.ram)] {
        assert_eq!(space.used_bytes() + space.free_bytes(), u64::from(region.len_bytes), "{}", space.name);
    }
    let engine = map.flash.parts[&Kind::Engine];
    assert!(engine > map.flash.parts[&Kind::Library], "the kernels are the engine's: {map:?}");
}

/// The answer is there soon after the last line, not an image's work later.
#[test]
fn a_line_camera_has_its_class_right_after_the_last_line() {
    let board = board::board("nrf51822").expect("in the table");
    let firmware = Firmware::program(Program::Camera, board, &shipped(board)).unwrap_or_else(|e| panic!("{e}"));
    let output = firmware.run(&[], Duration::from_secs(60)).unwrap_or_else(|e| panic!("{e}"));
    assert!(output.status.success(), "{}", output.printed);
    let figure = |name: &str| output.number(name).unwrap_or_else(|| panic!("{name}: {}", output.printed));
    assert_eq!(figure("late"), 0);
    // What is left is the rows that wait for the one behind the last, the padding.
    assert!(4 * figure("answer_ticks") <= figure("frame_ticks"), "{}", output.printed);
    assert!(figure("answer_ticks") <= figure("line_ticks"), "{}", output.printed);
}

/// Every board's firmware builds, passes the checks of `board::image`, and takes no more than firmware/budgets.json allows.
#[test]
fn every_board_keeps_its_budget() {
    let graph = int8("mnist-cnn");
    let record = include_str!("../../firmware/budgets.json");
    let record: BTreeMap<String, Budget> = serde_json::from_str(record).expect("a record of budgets");
    let mut beyond = Vec::new();
    for board in BOARDS {
        let smallest = Options { target: board::target(board), smallest: true, ..Options::default() };
        let plan = plan::to_bytes(&plan::plan_for(&graph, &smallest).expect("a network that ships"));
        let found = Budget::measure(board, &plan).unwrap_or_else(|e| panic!("{e}"));
        let agreed = record.get(board.name).unwrap_or_else(|| panic!("{} is not on record", board.name));
        beyond.extend(found.beyond(agreed).into_iter().map(|sentence| format!("{}: {sentence}", board.name)));
    }
    assert!(beyond.is_empty(), "{}\nif it is worth it: export budget --bless", beyond.join("\n"));
}

#[test]
fn a_missing_file_is_told_and_ends_with_status_2() {
    let stm32f405 = board::board("stm32f405").expect("in the table");
    let firmware = Firmware::build(stm32f405, &shipped(stm32f405)).unwrap_or_else(|e| panic!("{e}"));
    let output = firmware.run(&["classify"], Duration::from_secs(60)).unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", output.printed);
    assert_eq!(output.printed, "cannot read images.i8\n");
}

/// Networks with branches, groups and odd shapes, by each core's kernels: what the zoo does not have. On the machines with
/// memory for any network.
#[test]
fn generated_networks_give_the_hosts_bits_on_every_kind_of_core() {
    let mut generator = Generator::new(10);
    for core in ["m0", "m3", "m4"].map(|name| board::core(name).expect("in the table")) {
        for _ in 0..3 {
            let graph = generator.network(8);
            let portable = plan::plan(&graph).expect("generated networks fit the engine");
            let words = board::fastest_plan(&graph, core).expect("generated networks fit the engine");
            let images = noise_images(&mut generator, &graph);
            let expected = on_this_machine(&plan::to_bytes(&portable), &images);
            assert_answers(core, &plan::to_bytes(&words), &images, &expected);
        }
    }
}

/// Images of noise for a network's input.
fn noise_images(generator: &mut Generator, graph: &QuantGraph) -> Vec<f32> {
    let input = &graph.tensors[graph.input];
    let steps = generator.values(IMAGES * input.shape.iter().product::<usize>());
    steps.iter().map(|&q| (q as f32 - input.zero_point as f32) * input.scale).collect()
}

/// RISC-V has no kernels: there a plan for another core is run by their definitions.
#[test]
fn plans_for_other_cores_give_the_hosts_bits_on_risc_v() {
    let riscv = board::board("fe310").expect("in the table");
    let mut generator = Generator::new(11);
    let graph = generator.kernels(4, 8);
    let portable = plan::plan(&graph).expect("generated networks fit the engine");
    let images = noise_images(&mut generator, &graph);
    let expected = on_this_machine(&plan::to_bytes(&portable), &images);
    for target in [Target::CortexM0, Target::CortexM3, Target::CortexM4] {
        let words = plan::plan_for(&graph, &Options { target, ..Options::default() }).expect("a plan without a budget");
        assert!(words != portable, "{target:?}: no kernel is in use");
        assert_answers(riscv, &plan::to_bytes(&words), &images, &expected);
    }
}

#[test]
fn the_shipped_networks_give_the_hosts_bits_on_a_risc_v_without_atomic_instructions() {
    let images = digit_images();
    for network in models::zoo::NAMES {
        let plan = read(network, "net.plan");
        let expected = on_this_machine(&plan, &images);
        for board in SUBSETS {
            assert_answers(board, &plan, &images, &expected);
        }
    }
}
