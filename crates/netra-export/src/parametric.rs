//! Heat maps as a DICOM Parametric Map (PS3.3 A.75, C.8.32) with floating-point pixels.

use std::collections::HashSet;
use std::path::Path;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use netra_core::{CodedConcept, Detail, Error, Findings, ModelIdentity, Result, SaliencyMethod};
use netra_dicom::write::element::{
    code, copy_or_empty, dcm, ds, empty, fd, first_text, is, items, sequence, text, texts, ul, us,
};
use netra_dicom::write::{module, write_part10};

use crate::details::{Heat, HeatMaps};
use crate::functional::{POSITION, Pointer, counted};
use crate::planes::{SourcePlanes, put_size};
use crate::{Exporter, ResultSet, Source, functional, identity};

const IMAGE_TYPE: [&str; 4] = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"];
const CLASS: Pointer = (tags::LUT_LABEL, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, "LUT Label");

/// Every heat map of a classifier in one object of 32-bit floating-point frames, ordered by class, then by slice. The Real World
/// Value Mapping of a frame says which class it is of, and that its values are what they are stored as.
#[derive(Clone, Copy, Debug)]
pub struct ParametricMap;

impl Exporter for ParametricMap {
    fn name(&self) -> &'static str {
        "pm"
    }

    fn file_name(&self, stem: &str) -> String {
        format!("{stem}.pm.dcm")
    }

    fn needs(&self) -> Detail {
        Detail { saliency: true, ..Detail::default() }
    }

    fn write(&self, findings: &Findings, source: &Source<'_>, set: &ResultSet, out: &Path) -> Result<()> {
        let maps = HeatMaps::of(findings, source)?.ok_or_else(|| {
            Error::unsupported("a parametric map holds heat maps of a classifier: this finding has no classes, or the run was not asked for them")
        })?;
        write_part10(data_set(self, &findings.model, &maps, source, set)?, uids::EXPLICIT_VR_LITTLE_ENDIAN, out)
    }
}

fn data_set(
    exporter: &ParametricMap,
    model: &ModelIdentity,
    maps: &HeatMaps<'_>,
    source: &Source<'_>,
    set: &ResultSet,
) -> Result<InMemDicomObject> {
    let planes = SourcePlanes::of(source)?;
    let outside_patient = planes.orientation.is_none();
    let planes = flattened(planes);
    let method = maps.method.name();
    let mut object = InMemDicomObject::new_empty();
    let description = format!("{} {method}", model.name);
    let series = identity::Series { class: uids::PARAMETRIC_MAP_STORAGE, modality: "OT", description: &description };
    identity::put(&mut object, exporter.name(), &series, model, planes.header, set)?;
    functional::space(&mut object, &planes, set);
    if outside_patient {
        copy_or_empty(&mut object, planes.header, tags::PATIENT_ORIENTATION, VR::CS);
    }

    texts(&mut object, tags::IMAGE_TYPE, VR::CS, &IMAGE_TYPE);
    identity::put_content(&mut object, set);
    let derivation = format!(
        "{method}: {}. Model {} {}, package {} sha256={}",
        maps.method.meaning(),
        model.name,
        model.version,
        model.id,
        model.digest
    );
    text(&mut object, tags::DERIVATION_DESCRIPTION, VR::ST, &derivation);
    text(&mut object, tags::CONTENT_LABEL, VR::CS, "HEAT_MAP");
    text(&mut object, tags::CONTENT_DESCRIPTION, VR::LO, &format!("{method} of {} {}", model.name, model.version));
    empty(&mut object, tags::CONTENT_CREATOR_NAME, VR::PN);
    text(&mut object, tags::CONTENT_QUALIFICATION, VR::CS, "RESEARCH");
    text(&mut object, tags::PIXEL_PRESENTATION, VR::CS, "MONOCHROME");
    text(&mut object, tags::PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY");
    text(&mut object, tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    // What speaks for a class, place by place, shows no face.
    text(&mut object, tags::RECOGNIZABLE_VISUAL_FEATURES, VR::CS, "NO");
    module::lossy_compression_from(&mut object, planes.header);
    sequence(&mut object, tags::ACQUISITION_CONTEXT_SEQUENCE, Vec::new());

    put_groups(&mut object, model, maps, &planes, set)?;
    put_pixels(&mut object, maps, source.pixels.shape())?;
    Ok(object)
}

/// The same planes, in a space that they all lie in, since this IOD knows no image without a place (table A.75-2). A radiograph or a
/// photograph, which comes as one plane, lies at the origin of a frame of reference of its own, where nothing else lies, turned as
/// its Patient Orientation says. Where that is unknown its rows and columns are the axes, and Patient Orientation stays empty.
fn flattened(mut planes: SourcePlanes<'_>) -> SourcePlanes<'_> {
    if planes.orientation.is_none() {
        planes.orientation = Some(stated_orientation(planes.header).unwrap_or([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        planes.frame_of_reference = None;
        planes.planes.iter_mut().for_each(|plane| plane.position = Some([0.0; 3]));
    }
    planes
}

/// The directions that Patient Orientation (C.7.6.1.1.1) names first for rows and columns, as direction cosines; `None` where it
/// names none, or the same axis twice.
fn stated_orientation(header: &InMemDicomObject) -> Option<[f64; 6]> {
    let stated = header.get(tags::PATIENT_ORIENTATION)?.to_multi_str().ok()?;
    let axis = |text: &String| match text.trim_start().chars().next()? {
        'L' => Some([1.0, 0.0, 0.0]),
        'R' => Some([-1.0, 0.0, 0.0]),
        'P' => Some([0.0, 1.0, 0.0]),
        'A' => Some([0.0, -1.0, 0.0]),
        'H' => Some([0.0, 0.0, 1.0]),
        'F' => Some([0.0, 0.0, -1.0]),
        _ => None,
    };
    let (row, column) = (axis(stated.first()?)?, axis(stated.get(1)?)?);
    let crossed = row.iter().zip(&column).all(|(a, b): (&f64, &f64)| a * b == 0.0);
    crossed.then_some([row[0], row[1], row[2], column[0], column[1], column[2]])
}

/// Multi-frame Dimension and Multi-frame Functional Groups (C.8.32.3), and the references to the source.
fn put_groups(
    object: &mut InMemDicomObject,
    model: &ModelIdentity,
    maps: &HeatMaps<'_>,
    planes: &SourcePlanes<'_>,
    set: &ResultSet,
) -> Result<()> {
    functional::dimensions(object, &set.uid("pm/dimensions"), [CLASS, POSITION].into_iter());

    let mut shared = functional::shared(planes);
    if planes.spacing.is_none() {
        // The group is mandatory, what it holds is not: nobody knows how large the pixels of a photograph are.
        sequence(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![InMemDicomObject::new_empty()]);
    }
    let mut identity = InMemDicomObject::new_empty();
    ds(&mut identity, tags::RESCALE_INTERCEPT, &[0.0]);
    ds(&mut identity, tags::RESCALE_SLOPE, &[1.0]);
    text(&mut identity, tags::RESCALE_TYPE, VR::LO, "US");
    sequence(&mut shared, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![identity]);
    let mut frame_type = InMemDicomObject::new_empty();
    texts(&mut frame_type, tags::FRAME_TYPE, VR::CS, &IMAGE_TYPE);
    sequence(&mut shared, tags::PARAMETRIC_MAP_FRAME_TYPE_SEQUENCE, vec![frame_type]);
    match anatomy(planes.header) {
        Some(anatomy) => sequence(&mut shared, tags::FRAME_ANATOMY_SEQUENCE, vec![anatomy]),
        // Type 2C of the series, asked for where no frame says which side it is and the body part may have two.
        None => copy_or_empty(object, planes.header, tags::LATERALITY, VR::CS),
    }
    sequence(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);

    let quantity = quantity(maps.method);
    let mut frames = Vec::with_capacity(maps.maps.len() * planes.planes.len());
    for (class, (heat, label)) in maps.maps.iter().zip(labels(&maps.maps)).enumerate() {
        for plane in 0..planes.planes.len() {
            let mut groups = functional::of_frame(planes, plane, &quantity)?;
            let mut content = InMemDicomObject::new_empty();
            ul(&mut content, tags::DIMENSION_INDEX_VALUES, &[counted(class)?, counted(plane)?]);
            sequence(&mut groups, tags::FRAME_CONTENT_SEQUENCE, vec![content]);
            sequence(&mut groups, tags::FRAME_VOILUT_SEQUENCE, vec![window(heat)]);
            let mapping = mapping(heat, &label, &quantity, model);
            sequence(&mut groups, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![mapping]);
            frames.push(groups);
        }
    }
    sequence(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames);
    functional::references(object, planes);
    Ok(())
}

/// Frame Anatomy (C.7.6.16.2.8), where the source has a code for its region and says which side it is.
fn anatomy(header: &InMemDicomObject) -> Option<InMemDicomObject> {
    let region = items(header, tags::ANATOMIC_REGION_SEQUENCE).first()?;
    let region = CodedConcept {
        value: first_text(region, tags::CODE_VALUE)?,
        scheme: first_text(region, tags::CODING_SCHEME_DESIGNATOR)?,
        meaning: first_text(region, tags::CODE_MEANING)?,
    };
    let side = [tags::IMAGE_LATERALITY, tags::LATERALITY].into_iter().find_map(|tag| first_text(header, tag));
    let side = side.filter(|side| matches!(side.as_str(), "R" | "L" | "U" | "B"))?;
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::FRAME_LATERALITY, VR::CS, &side);
    code(&mut item, tags::ANATOMIC_REGION_SEQUENCE, &region);
    Some(item)
}

/// What the values are, as context group 218 names it: an occlusion map is a saliency map by another way than gradients.
fn quantity(method: SaliencyMethod) -> CodedConcept {
    match method {
        SaliencyMethod::ClassActivation => dcm("130402", "Class activation"),
        SaliencyMethod::Occlusion => dcm("130404", "Saliency"),
    }
}

/// The LUT Label of each map, which has 16 characters and must tell the classes apart: the class's label, behind a number
/// where one of them would be cut.
fn labels(maps: &[Heat<'_>]) -> Vec<String> {
    let whole: Vec<&str> = maps.iter().map(|heat| heat.class.label.as_str()).collect();
    let distinct = whole.iter().collect::<HashSet<_>>().len() == whole.len();
    if distinct && whole.iter().all(|label| label.chars().count() <= 16) {
        return whole.into_iter().map(str::to_owned).collect();
    }
    (1..).zip(whole).map(|(number, label)| format!("{number} {label}").chars().take(16).collect()).collect()
}

/// Real World Value Mapping (C.7.6.16.2.11): the class, what its values are, without unit, and which algorithm made them.
fn mapping(heat: &Heat<'_>, label: &str, quantity: &CodedConcept, model: &ModelIdentity) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::LUT_LABEL, VR::SH, label);
    text(&mut item, tags::LUT_EXPLANATION, VR::LO, &heat.class.label);
    let one = CodedConcept { value: "1".to_owned(), scheme: "UCUM".to_owned(), meaning: "no units".to_owned() };
    code(&mut item, tags::MEASUREMENT_UNITS_CODE_SEQUENCE, &one);
    fd(&mut item, tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, &[heat.minimum.into()]);
    fd(&mut item, tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED, &[heat.maximum.into()]);
    fd(&mut item, tags::REAL_WORLD_VALUE_INTERCEPT, &[0.0]);
    fd(&mut item, tags::REAL_WORLD_VALUE_SLOPE, &[1.0]);
    let sct = CodedConcept { value: "246205007".to_owned(), scheme: "SCT".to_owned(), meaning: "Quantity".to_owned() };
    let definition = vec![
        coded(&sct, quantity),
        coded(&dcm("121071", "Finding"), &heat.class.concept),
        told(&dcm("111001", "Algorithm Name"), &model.name),
        told(&dcm("111003", "Algorithm Version"), &model.version),
    ];
    sequence(&mut item, tags::QUANTITY_DEFINITION_SEQUENCE, definition);
    item
}

/// A name with a code as its value (PS3.3 table 10-2).
fn coded(name: &CodedConcept, value: &CodedConcept) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::VALUE_TYPE, VR::CS, "CODE");
    code(&mut item, tags::CONCEPT_NAME_CODE_SEQUENCE, name);
    code(&mut item, tags::CONCEPT_CODE_SEQUENCE, value);
    item
}

/// A name with a text as its value.
fn told(name: &CodedConcept, value: &str) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::VALUE_TYPE, VR::CS, "TEXT");
    code(&mut item, tags::CONCEPT_NAME_CODE_SEQUENCE, name);
    text(&mut item, tags::TEXT_VALUE, VR::UT, value);
    item
}

/// From 0 to what speaks most for the class; from the least to the most where nothing speaks for it. One window for all frames
/// of a class (C.11.2.1.3.2).
fn window(heat: &Heat<'_>) -> InMemDicomObject {
    let (low, high) = (f64::from(heat.minimum), f64::from(heat.maximum));
    let low = if high > 0.0 { 0.0 } else { low };
    let width = if high > low { high - low } else { 1.0 };
    let mut item = InMemDicomObject::new_empty();
    ds(&mut item, tags::WINDOW_CENTER, &[low + width / 2.0]);
    ds(&mut item, tags::WINDOW_WIDTH, &[width]);
    text(&mut item, tags::VOILUT_FUNCTION, VR::CS, "LINEAR_EXACT");
    item
}

/// Floating Point Image Pixel (C.7.6.24): all frames in one value. Fails when that has no 32-bit length.
fn put_pixels(object: &mut InMemDicomObject, maps: &HeatMaps<'_>, [slices, rows, columns]: [usize; 3]) -> Result<()> {
    put_size(object, [rows, columns])?;
    let frames = slices * maps.maps.len();
    let values = frames.saturating_mul(rows).saturating_mul(columns);
    let (Ok(count), true) = (i32::try_from(frames), values < u32::MAX as usize / 4) else {
        return Err(Error::limit(format!("{frames} frames of {rows} x {columns} pixels are over 4 GiB")));
    };
    is(object, tags::NUMBER_OF_FRAMES, count);
    us(object, tags::SAMPLES_PER_PIXEL, &[1]);
    text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    us(object, tags::BITS_ALLOCATED, &[32]);
    let pixels: Vec<f32> = maps.maps.iter().flat_map(|heat| heat.values.iter().copied()).collect();
    object.put(DataElement::new(tags::FLOAT_PIXEL_DATA, VR::OF, PrimitiveValue::F32(pixels.into())));
    Ok(())
}
