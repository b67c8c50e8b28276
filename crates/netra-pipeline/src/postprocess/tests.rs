use ndarray::Array4;

use netra_package::manifest::Activation;

use super::*;

fn output(values: &[[f32; 3]]) -> Array4<f32> {
    Array4::from_shape_vec((values.len(), 1, 1, 3), values.concat()).expect("three pixels a channel")
}

fn argmax_step() -> Postprocess {
    Postprocess::AsDiscrete(AsDiscrete::Argmax)
}

fn threshold_step(value: f32) -> Postprocess {
    Postprocess::AsDiscrete(AsDiscrete::Threshold { value, version: "test".to_owned() })
}

#[test]
fn the_first_of_equal_channels_wins() {
    let values = output(&[[1.0, 2.0, -1.0], [1.0, 3.0, -2.0], [0.0, 3.0, 5.0]]);
    assert_eq!(argmax(values.view()).expect("numbers").into_raw_vec_and_offset().0, [0, 1, 2]);
    let labels = threshold(values.view(), 2.0).expect("numbers");
    assert_eq!(labels.into_raw_vec_and_offset().0, [0, 2, 3]);
}

#[test]
fn values_that_are_no_numbers_make_no_labels() {
    assert!(argmax(output(&[[1.0, 2.0, 0.0], [0.0, f32::NAN, 0.0]]).view()).is_err());
}

/// `torch.softmax` and `torch.sigmoid` (torch 2.15).
#[test]
fn activations_are_torchs() {
    let close = |got: f32, want: f32| assert!((got - want).abs() < 1e-6, "{got} {want}");
    let mut values = output(&[[1.0, 1000.0, -3.0], [2.0, 998.0, -3.0]]);
    activate(&mut values, Activation::Softmax);
    close(values[[0, 0, 0, 0]], 0.268_941_4);
    close(values[[0, 0, 0, 1]], 0.880_797_1);
    close(values[[1, 0, 0, 2]], 0.5);
    let mut values = output(&[[0.0, 2.0, -100.0]]);
    activate(&mut values, Activation::Sigmoid);
    close(values[[0, 0, 0, 1]], 0.880_797_1);
    close(values[[0, 0, 0, 2]], 0.0);
}

#[test]
fn labels_need_only_the_pixel_until_a_resampling_comes_between() {
    let sigmoid = Postprocess::Activations(Activation::Sigmoid);
    let invert = Postprocess::Invert { mode: Interpolation::Bilinear };
    let select = Postprocess::SelectChannels { channels: vec![1] };
    let steps = [select, sigmoid.clone(), threshold_step(0.5), invert.clone()];
    assert_eq!(pointwise(&steps).map(<[_]>::len), Some(3));
    assert_eq!(pointwise(&[sigmoid, invert, threshold_step(0.5)]), None);
    let values = output(&[[9.0, 9.0, 9.0], [-1.0, 0.0, 1.0]]);
    let found = labels(&steps[..3], values.view()).expect("numbers");
    assert_eq!(found.into_raw_vec_and_offset().0, [0, 1, 1]);
}

fn place(shape: [usize; 3], source: [usize; 3], scale: f64, start: f64) -> Placement {
    use netra_core::Affine;
    let grid = |shape, s: f64, o: f64| {
        Geometry::new(shape, Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, s], [0.0, 0.0, o]))
            .expect("valid")
    };
    Placement { geometry: grid(shape, scale, start), source: grid(source, 1.0, 0.0), field_of_view: None }
}

#[test]
fn inverting_and_deciding_at_once_changes_nothing() {
    let place = place([1, 1, 3], [1, 1, 8], 2.0, 1.5);
    let values = output(&[[0.2, 0.9, 0.4], [0.7, 0.1, 0.5], [0.1, 0.6, 0.55]]);
    for how in [AsDiscrete::Argmax, AsDiscrete::Threshold { value: 0.5, version: String::new() }] {
        let apart = invert_values(values.clone(), &place.geometry, &place, Interpolation::Bilinear).expect("sound");
        let apart = discrete::discretise(apart.view(), &how).expect("sound");
        let both = invert_to_labels(values.clone(), &place.geometry, &place, Interpolation::Bilinear, &how);
        assert_eq!(both.expect("sound"), apart);
        // The first source pixel lies outside what preprocessing kept.
        assert_eq!(apart[[0, 0, 0]], 0);
    }
}

#[test]
fn nothing_outside_a_field_of_view_is_labelled() {
    let mut place = place([1, 1, 4], [1, 1, 4], 1.0, 0.0);
    let mask = ndarray::Array3::from_shape_vec((1, 1, 4), vec![0, 1, 1, 0]).expect("4 values");
    place.field_of_view = Some((mask, place.source.clone()));
    let labels = ndarray::Array3::from_elem((1, 1, 4), 7);
    let labels = invert_labels(labels, &place.geometry, &place).expect("sound");
    assert_eq!(labels.into_raw_vec_and_offset().0, [0, 7, 7, 0]);
}

#[test]
fn steps_run_in_order_and_name_themselves() {
    let place = place([1, 1, 3], [1, 1, 3], 1.0, 0.0);
    let keep = Postprocess::KeepLargestConnectedComponent {
        applied_labels: None,
        independent: true,
        connectivity: None,
        num_components: 1,
    };
    let values = Outcome::Values(output(&[[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]));
    let done = run(&[argmax_step(), keep.clone()], values.clone(), &place).expect("sound");
    assert!(matches!(done.outcome, Outcome::Labels(l) if l.iter().eq(&[1, 0, 0])));
    let error = run(&[keep], values, &place).expect_err("labels needed");
    assert!(error.to_string().contains("postprocess[0]"), "{error}");
}
