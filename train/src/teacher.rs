//! Networks that were trained before, from which another one learns.

use std::fmt;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use models::zoo::{self, Visit};
use models::{Network, Task, checkpoint};
use sha2::{Digest, Sha256};

use crate::error::TrainError;

/// A trained network of any kind.
#[derive(Clone)]
pub struct Teacher {
    /// The network's name and its checkpoint's SHA-256: what the run depends on.
    pub identity: String,
    /// The images that it takes, and the classes that it tells apart.
    pub task: Task,
    forward: Forward,
}

impl fmt::Debug for Teacher {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Teacher({})", self.identity)
    }
}

impl Teacher {
    /// Reads a checkpoint, which names its network, onto `device` (a plain one).
    pub fn load(path: &Path, device: &Device) -> Result<Self, TrainError> {
        let name = checkpoint::network_name(path)?;
        let (task, forward) = zoo::visit(&name, Load { path, device })??;
        let bytes = fs::read(path).map_err(TrainError::file(path))?;
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { identity: format!("{name} {hash}"), task, forward })
    }
}

type Forward = Rc<dyn Fn(Tensor<4>) -> Tensor<2>>;

struct Load<'a> {
    path: &'a Path,
    device: &'a Device,
}

impl Visit for Load<'_> {
    type Output = Result<(Task, Forward), TrainError>;

    fn visit<N: Network>(self) -> Self::Output {
        let network: N = checkpoint::load::<N>(self.path, self.device)?.valid();
        Ok((network.task().clone(), Rc::new(move |images| network.forward_fused(images))))
    }
}

/// The mean of the teachers' probabilities at `temperature`, `[N, classes]`; `None` without teachers. `images` is on the plain device.
pub fn probabilities(teachers: &[Teacher], images: &Tensor<4>, temperature: f32) -> Option<Tensor<2>> {
    let one = |teacher: &Teacher| softmax((teacher.forward)(images.clone()) / temperature, 1);
    let sum = teachers.iter().map(one).reduce(|sum, next| sum + next)?;
    Some(sum / teachers.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::mnist_cnn::MnistCnn;
    use models::mnist_dsres::MnistDsRes;

    #[test]
    fn probabilities_are_softened_and_averaged() {
        let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
        let (one, other) = (folder.path().join("one.bpk"), folder.path().join("other.bpk"));
        let (cnn, dsres) = (MnistCnn::new(&device), MnistDsRes::new(&device));
        checkpoint::save(&cnn, &one).unwrap();
        checkpoint::save(&dsres, &other).unwrap();
        let teachers = [Teacher::load(&one, &device).unwrap(), Teacher::load(&other, &device).unwrap()];
        assert!(teachers[0].identity.starts_with("mnist-cnn ") && teachers[1].identity.starts_with("mnist-dsres "));

        let images = Tensor::<4>::ones([3, 1, 28, 28], &device);
        let values = |t: Tensor<2>| -> Vec<f32> { t.into_data().try_into_vec().unwrap() };
        let logits = [cnn.forward_fused(images.clone()), dsres.forward_fused(images.clone())].map(values);
        let softened = |logits: &[f32]| -> Vec<f32> {
            let row = |row: &[f32]| {
                let powers: Vec<f32> = row.iter().map(|z| (z / 2.0).exp()).collect();
                let sum: f32 = powers.iter().sum();
                powers.into_iter().map(move |p| p / sum)
            };
            logits.chunks(10).flat_map(row).collect()
        };
        let expected = softened(&logits[0]).into_iter().zip(softened(&logits[1])).map(|(a, b)| (a + b) / 2.0);
        let found = values(probabilities(&teachers, &images, 2.0).unwrap());
        // Two ways to take ten exponentials and their sum.
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
        assert!(probabilities(&[], &images, 2.0).is_none());
    }

    #[test]
    fn a_file_that_is_no_checkpoint_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("teacher.bpk");
        fs::write(&path, "no checkpoint").unwrap();
        let error = Teacher::load(&path, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains("teacher.bpk: not a readable checkpoint"), "{error}");
    }
}
