//! Tells `arch` whose kernels to build: `cfg(kernels = "dsp" | "armv7m" | "armv6m" | "portable")`.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(kernels, values(\"dsp\", \"armv7m\", \"armv6m\", \"portable\"))");
    println!("cargo::rerun-if-env-changed=INFER_KERNELS");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    // Every ARMv7E-M core has the DSP extension; of the ARMv8-M Mainline cores only some, so their user says.
    let has_dsp = env::var_os("CARGO_FEATURE_DSP").is_some();
    let kernels = match target.split('-').next().unwrap_or_default() {
        _ if env::var("INFER_KERNELS").is_ok_and(|kernels| kernels == "portable") => "portable",
        "thumbv7em" => "dsp",
        "thumbv8m.main" if has_dsp => "dsp",
        "thumbv7m" | "thumbv8m.main" => "armv7m",
        "thumbv6m" | "thumbv8m.base" => "armv6m",
        _ => "portable",
    };
    println!("cargo::rustc-cfg=kernels=\"{kernels}\"");
}
