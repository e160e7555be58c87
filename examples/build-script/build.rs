//! Plans the network for the core and its budgets, and puts memory.x where the linker looks.

use export::build_script;
use export::plan::{Options, Target};

fn main() {
    let options = Options {
        target: Target::CortexM4,
        flash_budget: Some(32 * 1024),
        ram_budget: Some(6 * 1024),
        ..Options::default()
    };
    build_script::plan("../../models/mnist-cnn/int8.onnx", "net.plan", &options);

    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=memory.x");
}
