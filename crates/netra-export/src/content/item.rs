//! Content items, the nodes of a report's tree (PS3.3 C.17.3).

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use netra_core::CodedConcept;
use netra_dicom::write::element::{code, ds, fd, fl, sequence, text, us};

use crate::planes::refer_to_instance;

/// A concept that the engine itself speaks of: Code Value, Coding Scheme Designator, Code Meaning.
#[derive(Clone, Copy)]
pub(crate) struct Term(pub &'static str, pub &'static str, pub &'static str);

impl From<Term> for CodedConcept {
    fn from(Term(value, scheme, meaning): Term) -> Self {
        Self { value: value.to_owned(), scheme: scheme.to_owned(), meaning: meaning.to_owned() }
    }
}

/// How an item belongs to the one above it (Relationship Type).
#[derive(Clone, Copy)]
pub(crate) enum Is {
    Contained,
    ObservationContext,
    AcquisitionContext,
    ConceptModifier,
    SelectedFrom,
}

impl Is {
    fn term(self) -> &'static str {
        match self {
            Self::Contained => "CONTAINS",
            Self::ObservationContext => "HAS OBS CONTEXT",
            Self::AcquisitionContext => "HAS ACQ CONTEXT",
            Self::ConceptModifier => "HAS CONCEPT MOD",
            Self::SelectedFrom => "SELECTED FROM",
        }
    }
}

/// One content item with those below it.
pub(crate) struct Item(InMemDicomObject);

impl Item {
    fn unnamed(value_type: &str, is: Is) -> Self {
        let mut item = InMemDicomObject::new_empty();
        text(&mut item, tags::RELATIONSHIP_TYPE, VR::CS, is.term());
        text(&mut item, tags::VALUE_TYPE, VR::CS, value_type);
        Self(item)
    }

    fn new(value_type: &str, is: Is, name: impl Into<CodedConcept>) -> Self {
        let mut item = Self::unnamed(value_type, is);
        code(&mut item.0, tags::CONCEPT_NAME_CODE_SEQUENCE, &name.into());
        item
    }

    /// TEXT.
    pub fn text(is: Is, name: impl Into<CodedConcept>, value: &str) -> Self {
        let mut item = Self::new("TEXT", is, name);
        text(&mut item.0, tags::TEXT_VALUE, VR::UT, value);
        item
    }

    /// CODE.
    pub fn code(is: Is, name: impl Into<CodedConcept>, value: impl Into<CodedConcept>) -> Self {
        let mut item = Self::new("CODE", is, name);
        code(&mut item.0, tags::CONCEPT_CODE_SEQUENCE, &value.into());
        item
    }

    /// UIDREF.
    pub fn uid(is: Is, name: Term, value: &str) -> Self {
        let mut item = Self::new("UIDREF", is, name);
        text(&mut item.0, tags::UID, VR::UI, value);
        item
    }

    /// NUM: as a decimal string of 16 characters and in full precision.
    pub fn number(is: Is, name: Term, value: f64, unit: Term) -> Self {
        let mut measured = InMemDicomObject::new_empty();
        ds(&mut measured, tags::NUMERIC_VALUE, &[value]);
        fd(&mut measured, tags::FLOATING_POINT_VALUE, &[value]);
        code(&mut measured, tags::MEASUREMENT_UNITS_CODE_SEQUENCE, &unit.into());
        let mut item = Self::new("NUM", is, name);
        sequence(&mut item.0, tags::MEASURED_VALUE_SEQUENCE, vec![measured]);
        item
    }

    /// IMAGE: `refer` puts class, instance, and frame or segment.
    pub fn image(is: Is, name: Term, refer: impl FnOnce(&mut InMemDicomObject)) -> Self {
        Self::new("IMAGE", is, name).referring(refer)
    }

    /// IMAGE of a key object selection, where a reference has no name.
    pub fn key_image(refer: impl FnOnce(&mut InMemDicomObject)) -> Self {
        Self::unnamed("IMAGE", Is::Contained).referring(refer)
    }

    /// COMPOSITE of a key object selection: what is neither image nor waveform.
    pub fn key_object(refer: impl FnOnce(&mut InMemDicomObject)) -> Self {
        Self::unnamed("COMPOSITE", Is::Contained).referring(refer)
    }

    fn referring(mut self, refer: impl FnOnce(&mut InMemDicomObject)) -> Self {
        let mut reference = InMemDicomObject::new_empty();
        refer(&mut reference);
        sequence(&mut self.0, tags::REFERENCED_SOP_SEQUENCE, vec![reference]);
        self
    }

    /// SCOORD of a closed line through `(column, row)` points; pixel edges lie on whole numbers (PS3.3 C.18.6.1.2).
    pub fn outline(is: Is, name: Term, points: &[[f32; 2]]) -> Self {
        let mut item = Self::new("SCOORD", is, name);
        let closed: Vec<f32> = points.iter().chain(points.first()).flatten().copied().collect();
        fl(&mut item.0, tags::GRAPHIC_DATA, &closed);
        text(&mut item.0, tags::GRAPHIC_TYPE, VR::CS, "POLYLINE");
        item
    }

    /// CONTAINER.
    pub fn container(is: Is, name: Term) -> Self {
        let mut item = Self::new("CONTAINER", is, name);
        text(&mut item.0, tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
        item
    }

    /// The container that a template describes, by its identifier (TID).
    pub fn template(is: Is, name: Term, identifier: &str) -> Self {
        let mut item = Self::container(is, name);
        let mut template = InMemDicomObject::new_empty();
        text(&mut template, tags::MAPPING_RESOURCE, VR::CS, "DCMR");
        text(&mut template, tags::TEMPLATE_IDENTIFIER, VR::CS, identifier);
        sequence(&mut item.0, tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]);
        item
    }

    /// With the items below it, in order.
    pub fn with(mut self, below: Vec<Self>) -> Self {
        if !below.is_empty() {
            sequence(&mut self.0, tags::CONTENT_SEQUENCE, below.into_iter().map(|item| item.0).collect());
        }
        self
    }

    /// Puts the attributes of the item into `object`, whose root it is: a root has no relationship.
    pub fn put_as_root(self, object: &mut InMemDicomObject) {
        for element in self.0.into_iter().filter(|element| element.header().tag != tags::RELATIONSHIP_TYPE) {
            object.put(element);
        }
    }
}

/// Puts class, instance and segment into a reference (PS3.3 table C.17.3-1, Referenced Segment Number).
pub(crate) fn refer_to_segment(reference: &mut InMemDicomObject, class: &str, instance: &str, segment: u16) {
    refer_to_instance(reference, class, instance);
    us(reference, tags::REFERENCED_SEGMENT_NUMBER, &[segment]);
}
