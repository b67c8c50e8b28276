//! What stored values mean beyond the rescale: Real World Value Mappings (PS3.3 C.7.6.16.2.11) and the SUV factors of PET.
//! They are reported, never applied: a volume keeps its modality values.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde::Serialize;

use crate::attributes::{items, number, numbers, text};
use crate::series::Series;

/// One mapping of stored values to a real-world quantity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RealWorldValue {
    /// LUT Label.
    pub label: String,
    /// Measurement Units Code: value and meaning.
    pub unit: [String; 2],
    /// First and last stored value that is mapped.
    pub mapped: Option<[f64; 2]>,
    /// How.
    #[serde(flatten)]
    pub map: RealWorldMap,
}

/// How stored values are mapped.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RealWorldMap {
    /// `slope * stored + intercept`.
    Linear {
        /// Real World Value Slope.
        slope: f64,
        /// Real World Value Intercept.
        intercept: f64,
    },
    /// A table with this many entries.
    Table {
        /// Entries of Real World Value LUT Data.
        entries: usize,
    },
}

/// What a PET modality value is multiplied by to give a standardised uptake value in g/ml (cm2/ml for the surface).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuvFactors {
    /// By body weight.
    pub body_weight: f64,
    /// By lean body mass (Janmahasatian 2005), when size and sex are stated.
    pub lean_body_mass: Option<f64>,
    /// By body surface area (Du Bois 1916), when the size is stated.
    pub body_surface_area: Option<f64>,
}

impl Series {
    /// The Real World Value Mappings of all frames, each once.
    pub fn real_world_values(&self) -> Vec<RealWorldValue> {
        let mut found: Vec<RealWorldValue> = Vec::new();
        for item in self.refs().flat_map(|r| self.header(r).real_world_value_mappings()) {
            match mapping(item) {
                Some(mapping) if !found.contains(&mapping) => found.push(mapping),
                _ => {}
            }
        }
        found
    }

    /// The SUV factors of a PET series; `None` for another modality, the reason where something is missing. Follows the
    /// vendor-neutral computation of QIBA's FDG-PET/CT profile: injected dose, decayed to the time that the images are
    /// corrected to.
    pub fn suv_factors(&self) -> Option<Result<SuvFactors, String>> {
        (self.text(tags::MODALITY)? == "PT").then(|| self.factors())
    }

    fn factors(&self) -> Result<SuvFactors, String> {
        let root = self.instances.first().ok_or("no instances")?.header();
        let units = text(root, tags::UNITS).unwrap_or_default();
        if units == "GML" {
            return Ok(SuvFactors { body_weight: 1.0, lean_body_mass: None, body_surface_area: None });
        }
        if units != "BQML" {
            return Err(format!("Units are {units:?}, not BQML"));
        }
        let corrected = crate::attributes::texts(root, tags::CORRECTED_IMAGE);
        if let Some(missing) = ["ATTN", "DECY"].into_iter().find(|word| !corrected.iter().any(|c| c == word)) {
            return Err(format!("Corrected Image lacks {missing}"));
        }
        let need = |object: &InMemDicomObject, tag: Tag, name: &str| {
            number(object, tag).filter(|v| *v > 0.0).ok_or_else(|| format!("{name} is missing"))
        };
        let agents = items(root, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
        let agent = agents.first().ok_or("Radiopharmaceutical Information Sequence is missing")?;
        let dose = need(agent, tags::RADIONUCLIDE_TOTAL_DOSE, "Radionuclide Total Dose")?;
        let weight = need(root, tags::PATIENT_WEIGHT, "Patient's Weight")?;
        let decayed = match text(root, tags::DECAY_CORRECTION).as_deref() {
            Some("ADMIN") => dose,
            Some("START") => {
                let half_life = need(agent, tags::RADIONUCLIDE_HALF_LIFE, "Radionuclide Half Life")?;
                dose * (-self.uptake_seconds(agent)? / half_life).exp2()
            }
            other => return Err(format!("Decay Correction is {:?}", other.unwrap_or("missing"))),
        };
        let height = number(root, tags::PATIENT_SIZE).filter(|metres| *metres > 0.0);
        let lean = |(height, sex): (f64, String)| {
            let index = weight / (height * height);
            match sex.as_str() {
                "M" => Some(9270.0 * weight / (6680.0 + 216.0 * index)),
                "F" => Some(9270.0 * weight / (8780.0 + 244.0 * index)),
                _ => None,
            }
        };
        // Du Bois: m2 from kilograms and centimetres; as cm2, one gram a millilitre.
        let surface = |height: f64| 0.007_184 * weight.powf(0.425) * (100.0 * height).powf(0.725) * 1e4;
        Ok(SuvFactors {
            body_weight: weight * 1000.0 / decayed,
            lean_body_mass: height.zip(text(root, tags::PATIENT_SEX)).and_then(lean).map(|kg| kg * 1000.0 / decayed),
            body_surface_area: height.map(|height| surface(height) / decayed),
        })
    }

    /// From the injection to the time that decay is corrected to: Series Time, unless it lies behind the first acquisition (the
    /// series was derived later), then the first Acquisition Time.
    fn uptake_seconds(&self, agent: &InMemDicomObject) -> Result<f64, String> {
        let day = |date: &str| chrono::NaiveDate::parse_from_str(date.get(..8)?, "%Y%m%d").ok();
        let moment = |object: &InMemDicomObject, date: Tag, time: Tag| {
            day(&text(object, date)?)?.and_time(clock(&text(object, time)?)?).into()
        };
        let root = self.instances.first().ok_or("no instances")?.header();
        let series: Option<chrono::NaiveDateTime> = moment(root, tags::SERIES_DATE, tags::SERIES_TIME);
        let acquired = self
            .instances
            .iter()
            .filter_map(|i| moment(i.header(), tags::ACQUISITION_DATE, tags::ACQUISITION_TIME))
            .min();
        let start = match (series, acquired) {
            (Some(series), Some(acquired)) => series.min(acquired),
            (one, other) => one.or(other).ok_or("Series Time and Acquisition Time are missing")?,
        };
        let stated = text(agent, tags::RADIOPHARMACEUTICAL_START_DATE_TIME)
            .and_then(|stamp| day(&stamp)?.and_time(clock(stamp.get(8..)?)?).into());
        let injected = match stated {
            Some(stated) => stated,
            None => {
                let time = text(agent, tags::RADIOPHARMACEUTICAL_START_TIME).as_deref().and_then(clock);
                let injected = start.date().and_time(time.ok_or("Radiopharmaceutical Start Time is missing")?);
                // Without a date: an injection that seems to follow the scan was before midnight.
                if injected > start { injected - chrono::Days::new(1) } else { injected }
            }
        };
        let seconds = (start - injected).num_milliseconds() as f64 / 1000.0;
        if (0.0..=86_400.0).contains(&seconds) {
            Ok(seconds)
        } else {
            Err(format!("{seconds} s lie between injection and scan"))
        }
    }
}

/// A DICOM time: HHMMSS.FFFFFF, from the right incomplete.
fn clock(text: &str) -> Option<chrono::NaiveTime> {
    let field = |at: usize| match text.get(at..at + 2) {
        Some(digits) => digits.parse::<u32>().ok(),
        None => Some(0),
    };
    let micro = match text.get(6..).and_then(|rest| rest.strip_prefix('.')) {
        Some(fraction) => {
            let digits: String = fraction.chars().take_while(char::is_ascii_digit).take(6).collect();
            format!("{digits:0<6}").parse().ok()?
        }
        None => 0,
    };
    chrono::NaiveTime::from_hms_micro_opt(field(0)?, field(2)?, field(4)?, micro)
}

fn mapping(item: &InMemDicomObject) -> Option<RealWorldValue> {
    let unit = items(item, tags::MEASUREMENT_UNITS_CODE_SEQUENCE).first();
    let word = |tag| unit.and_then(|unit| text(unit, tag)).unwrap_or_default();
    let bound = |double, short| number(item, double).or_else(|| number(item, short));
    let first =
        bound(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED);
    let last = bound(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED, tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED);
    let map = match numbers(item, tags::REAL_WORLD_VALUE_LUT_DATA) {
        Some(table) => RealWorldMap::Table { entries: table.len() },
        None => RealWorldMap::Linear {
            slope: number(item, tags::REAL_WORLD_VALUE_SLOPE)?,
            intercept: number(item, tags::REAL_WORLD_VALUE_INTERCEPT)?,
        },
    };
    Some(RealWorldValue {
        label: text(item, tags::LUT_LABEL).unwrap_or_default(),
        unit: [word(tags::CODE_VALUE), word(tags::CODE_MEANING)],
        mapped: first.zip(last).map(|(a, b)| [a, b]),
        map,
    })
}
