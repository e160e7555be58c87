//! What a step makes smaller.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use crate::recipe::Distillation;

/// The loss of [`Distillation`]; that of the labels alone where nobody teaches.
pub fn distilled(how: &Distillation, logits: &Tensor<2>, targets: Tensor<2>, taught: Option<Tensor<2>>) -> Tensor<1> {
    let own = cross_entropy(logits.clone(), targets);
    let Some(taught) = taught else { return own };
    let Distillation { weight, temperature } = how;
    let theirs = cross_entropy(logits.clone() / *temperature, taught);
    own * (1.0 - weight) + theirs * (weight * temperature * temperature)
}

/// The mean over the batch of −Σ target · log softmax(logits).
fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let images = logits.dims()[0] as f32;
    -(log_softmax(logits, 1) * targets).sum() / images
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Where the teacher says what the labels say, and nothing is softened, the weight makes no difference; else the loss is the two parts' sum.
    #[test]
    fn the_loss_is_shared_between_labels_and_teachers() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_floats([[2.0, 0.0], [0.0, 0.0]], &device);
        let labels = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
        let taught = Tensor::<2>::from_floats([[0.5, 0.5], [0.5, 0.5]], &device);
        let loss = |weight, temperature, taught: Option<&Tensor<2>>| -> f32 {
            let how = Distillation { weight, temperature };
            distilled(&how, &logits, labels.clone(), taught.cloned()).into_scalar()
        };
        let alone = loss(0.5, 4.0, None);
        assert_eq!(alone, ((1.0 + (-2.0f32).exp()).ln() + 2.0f32.ln()) / 2.0);
        assert_eq!(loss(0.5, 1.0, Some(&labels)), alone);
        // At temperature 2 the first image's logits are 1 and 0.
        let theirs = ((1.0 + (-1.0f32).exp()).ln() + 0.5 + 2.0f32.ln()) / 2.0;
        assert!((loss(0.25, 2.0, Some(&taught)) - (0.75 * alone + 0.25 * 4.0 * theirs)).abs() < 1e-6);
    }
}
