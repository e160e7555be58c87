//! The very ELF that is flashed, in QEMU's machine of the same chip: the same bits as on the host, within the chip's RAM.

use data::digits;
use export::board::{BOARDS, Board, Emulated, Firmware};
use export::plan;
use export::validate::{self, Stage};
use infer_nostd::Plan;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tests::generate::Generator;
use tests::zoo::folder;

/// Images a board is asked: enough to fill every ring many times over, few enough for an emulator.
const IMAGES: usize = 40;

/// The logits of the board and of the host for the same images, as the reals that the steps stand for.
fn assert_same_bits(board: &'static Board, plan_file: &Path, images: &[f32]) -> Emulated {
    let bytes = std::fs::read(plan_file).unwrap_or_else(|e| panic!("{}: {e}", plan_file.display()));
    let words = plan::words(&bytes);
    let plan = Plan::parse(&words).expect("a plan that passes its check");
    let firmware = Firmware::build(board, plan_file).unwrap_or_else(|e| panic!("{e}"));
    let emulated = Emulated::new(firmware, &plan);
    let host = validate::open(&bytes).expect("a plan");
    let on_board = emulated.answer(images).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(on_board, host.answer(images).expect("images of the right size"), "{}", board.name);
    emulated
}

fn digit_images() -> Vec<f32> {
    let dataset = digits::generate(9, IMAGES);
    validate::images::nchw(&dataset, 0..IMAGES)
}

#[test]
fn the_shipped_networks_give_the_hosts_bits_on_every_board() {
    for network in models::zoo::NAMES {
        for board in BOARDS {
            let emulated = assert_same_bits(board, &folder(network).join("net.plan"), &digit_images());
            let figures = emulated.figures().expect("it has run");
            let ram = board.ram.len_bytes as usize;
            assert!(figures.ram_bytes < ram, "{network} on {}: {figures:?} of {ram} bytes", board.name);
            assert!(figures.ram_bytes < 8 * 1024, "{network} on {}: {figures:?}, meant for 8 KB", board.name);
        }
    }
}

#[test]
fn the_self_test_passes_and_says_so_by_its_status() {
    let mut checksums = BTreeSet::new();
    for board in BOARDS {
        let firmware = Firmware::build(board, &folder("mnist-cnn").join("net.plan")).unwrap_or_else(|e| panic!("{e}"));
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

#[test]
fn a_missing_file_is_told_and_ends_with_status_2() {
    let firmware = Firmware::build(&BOARDS[0], &folder("mnist-cnn").join("net.plan")).unwrap_or_else(|e| panic!("{e}"));
    let output = firmware.run(&["classify", "no-such-file", "out"], Duration::from_secs(60)).unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", output.printed);
    assert!(output.printed.contains("cannot read no-such-file"), "{}", output.printed);
}

/// A network with branches, groups and odd shapes: what the zoo does not have, on the smallest core.
#[test]
fn generated_networks_give_the_hosts_bits_on_a_cortex_m0() {
    let board = export::board::board("microbit").expect("in the table");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut generator = Generator::new(10);
    for _ in 0..3 {
        let graph = generator.network(8);
        let words = plan::plan(&graph).expect("generated networks fit the engine");
        let file = folder.path().join("net.plan");
        std::fs::write(&file, plan::to_bytes(&words)).expect("a temporary file");
        let input = &graph.tensors[graph.input];
        let len = IMAGES * input.shape.iter().product::<usize>();
        let steps = generator.values(len);
        let reals: Vec<f32> = steps.iter().map(|&q| (q as f32 - input.zero_point as f32) * input.scale).collect();
        assert_same_bits(board, &file, &reals);
    }
}
