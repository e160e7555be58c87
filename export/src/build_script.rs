//! A plan that is made while the firmware is built.

use crate::onnx;
use crate::plan::{self, Options};
use crate::quantize::qdq;
use std::error::Error;
use std::path::Path;

/// Plans the int8 ONNX file `onnx` and writes the plan into `$OUT_DIR` under the name `plan`, where
/// `infer_nostd::include_plan!(static WORDS, PLAN = concat!(env!("OUT_DIR"), "/net.plan"))` finds it.
///
/// To be called by a build script, whose paths begin at its package. Cargo runs the script again when the file changes, or one that its weights lie in. What is wrong with the
/// network, or a budget that it misses, is printed as the build's error, and the build fails.
pub fn plan(onnx: impl AsRef<Path>, plan: impl AsRef<Path>, options: &Options) {
    let onnx = onnx.as_ref();
    println!("cargo::rerun-if-changed={}", onnx.display());
    for file in onnx::files_beside(onnx) {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    if let Err(error) = write(onnx, plan.as_ref(), options) {
        // Cargo takes an error a line.
        error.to_string().lines().for_each(|line| println!("cargo::error={line}"));
    }
}

fn write(onnx: &Path, plan: &Path, options: &Options) -> Result<(), Box<dyn Error>> {
    let folder = std::env::var_os("OUT_DIR").ok_or("$OUT_DIR is not set: call this from a package's build script")?;
    let to = Path::new(&folder).join(plan);
    let bytes = planned(onnx, options)?;
    std::fs::write(&to, bytes).map_err(|cause| format!("{}: cannot be written ({cause})", to.display()).into())
}

/// The bytes of the plan; errors begin with the file's name.
fn planned(path: &Path, options: &Options) -> Result<Vec<u8>, Box<dyn Error>> {
    let graph = onnx::from_file(path)?;
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let network = qdq::from_graph(&graph).map_err(|error| named(&error))?;
    let words = plan::plan_for(&network, options).map_err(|error| named(&error))?;
    Ok(plan::to_bytes(&words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Target;
    use std::path::PathBuf;

    fn shipped(file: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/mnist-cnn").join(file)
    }

    #[test]
    fn the_shipped_plan_is_what_a_build_script_makes() {
        let bytes = planned(&shipped("int8.onnx"), &Options::default()).unwrap();
        assert_eq!(bytes, std::fs::read(shipped("net.plan")).unwrap());
    }

    #[test]
    fn an_error_names_the_file_and_what_to_do() {
        let refused = |file: &str, options: &Options| {
            let error = planned(&shipped(file), options).unwrap_err().to_string();
            error
                .strip_prefix(&format!("{}: ", shipped(file).display()))
                .unwrap_or_else(|| panic!("{error}"))
                .to_string()
        };
        let tight = Options { target: Target::CortexM4, ram_budget: Some(1000), ..Options::default() };
        let error = refused("int8.onnx", &tight);
        assert!(error.starts_with("the smallest plan takes "), "{error}");
        assert!(error.contains(" bytes of RAM, the budget is 1000: allow more"), "{error}");
        let error = refused("float.onnx", &Options::default());
        assert!(error.contains("found a float one. Write the file with `export quantize`"), "{error}");
        assert!(refused("absent.onnx", &Options::default()).starts_with("cannot be read"));
    }
}
