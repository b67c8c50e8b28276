//! A series into stacks: by what makes slices incomparable, then, where places are taken twice, by what tells the takers apart.

use std::collections::{BTreeMap, HashMap};

use super::irregularity::{Aspect, Irregularity};
use super::slice::Slice;
use super::stack::{COSINE, same_depth};
use crate::series::Series;
use crate::space::{cross, dot};

/// More groups than this are no series that anybody took: the frames left over form one more group.
const GROUPS: usize = 512;

/// Frames that belong together.
pub(super) struct Group {
    pub slices: Vec<Slice>,
    /// What tells it from the other groups, in words.
    pub label: Vec<String>,
}

/// Splits the slices, and tells by what.
pub(super) fn split(series: &Series, slices: Vec<Slice>) -> (Vec<Group>, Vec<Irregularity>) {
    let mut groups = vec![Group { slices, label: Vec::new() }];
    let mut mixed = BTreeMap::new();
    for aspect in [Aspect::FrameOfReference, Aspect::Localiser, Aspect::Size, Aspect::Orientation, Aspect::PixelSpacing]
    {
        let split = |group: Group| by_kind(group, aspect, &mut mixed);
        groups = groups.into_iter().flat_map(split).collect();
    }
    groups = groups.into_iter().flat_map(|group| by_takers(series, group, &mut mixed)).collect();
    let irregularities = mixed.into_iter().map(|(_, (aspect, values))| Irregularity::Mixed { aspect, values });
    (groups, irregularities.collect())
}

/// The aspects that split something, in the order in which they are asked, with their values.
type Mixed = BTreeMap<usize, (Aspect, Vec<String>)>;

fn note(mixed: &mut Mixed, order: usize, aspect: Aspect, values: Vec<String>) {
    let (_, known) = mixed.entry(order).or_insert((aspect, Vec::new()));
    for value in values {
        if !known.contains(&value) {
            known.push(value);
        }
    }
}

/// Groups of slices that are alike in `aspect`, within its tolerance.
fn by_kind(group: Group, aspect: Aspect, mixed: &mut Mixed) -> Vec<Group> {
    let mut parts: Vec<Vec<Slice>> = Vec::new();
    for slice in group.slices {
        let known = parts.iter().position(|part| alike(&part[0], &slice, aspect));
        match known.or((parts.len() > GROUPS).then_some(GROUPS)) {
            Some(at) => parts[at].push(slice),
            None => parts.push(vec![slice]),
        }
    }
    if parts.len() == 1 {
        return parts.into_iter().map(|slices| Group { slices, label: group.label.clone() }).collect();
    }
    let values = match aspect {
        Aspect::Localiser => parts.iter().flatten().filter(|s| s.is_localiser).map(|s| s.name.clone()).collect(),
        _ => parts.iter().map(|part| kind(&part[0], aspect)).collect(),
    };
    note(mixed, aspect as usize, aspect, values);
    let labelled = |slices: Vec<Slice>| {
        let label = [group.label.as_slice(), &[kind(&slices[0], aspect)]].concat();
        Group { slices, label }
    };
    parts.into_iter().map(labelled).collect()
}

fn alike(a: &Slice, b: &Slice, aspect: Aspect) -> bool {
    let near = |x: [f64; 3], y: [f64; 3]| x.iter().zip(y).all(|(x, y)| (x - y).abs() <= COSINE);
    match aspect {
        Aspect::FrameOfReference => a.frame_of_reference == b.frame_of_reference,
        Aspect::Localiser => a.is_localiser == b.is_localiser,
        Aspect::Size => a.size == b.size && a.samples == b.samples,
        Aspect::Orientation => {
            near(a.plane.row_cosines, b.plane.row_cosines) && near(a.plane.column_cosines, b.plane.column_cosines)
        }
        _ => a.plane.spacing.iter().zip(b.plane.spacing).all(|(x, y)| (x - y).abs() <= 1e-3 * x.abs()),
    }
}

/// A slice's value of `aspect` in words.
fn kind(slice: &Slice, aspect: Aspect) -> String {
    match aspect {
        Aspect::FrameOfReference => format!("frame of reference {}", slice.frame_of_reference),
        Aspect::Localiser => if slice.is_localiser { "localiser" } else { "no localiser" }.to_owned(),
        Aspect::Size => {
            let [rows, columns] = slice.size;
            let colour = if slice.samples > 1 { " in colour" } else { "" };
            format!("{rows} x {columns}{colour}")
        }
        Aspect::Orientation => {
            let cosines = [slice.plane.row_cosines, slice.plane.column_cosines].concat();
            let words: Vec<String> = cosines.iter().map(|c| format!("{c:.3}")).collect();
            format!("{} ({})", words.join("\\"), slice.name)
        }
        _ => format!("{:?} mm", slice.plane.spacing),
    }
}

/// Asked in this order, from what was chosen to what only counts.
const TAKERS: [Aspect; 10] = [
    Aspect::Stack,
    Aspect::Segment,
    Aspect::ImageType,
    Aspect::Echo,
    Aspect::InversionTime,
    Aspect::TemporalPosition,
    Aspect::DiffusionBValue,
    Aspect::Kernel,
    Aspect::TriggerTime,
    Aspect::Acquisition,
];

/// Splits a group in which places are taken more than once.
fn by_takers(series: &Series, group: Group, mixed: &mut Mixed) -> Vec<Group> {
    if Takers::of(&group.slices).most < 2 {
        return vec![group];
    }
    let mut groups = vec![group];
    for aspect in TAKERS {
        let mut next = Vec::new();
        for group in groups {
            let takers = Takers::of(&group.slices);
            let parts = if takers.most > 1 { by_value(series, &group.slices, aspect, takers.most) } else { Vec::new() };
            let left: usize = parts.iter().map(|(_, slices)| Takers::of(slices).surplus).sum();
            if parts.len() < 2 || left >= takers.surplus {
                next.push(group);
                continue;
            }
            note(mixed, aspect as usize, aspect, parts.iter().map(|(value, _)| value.clone()).collect());
            next.extend(parts.into_iter().map(|(value, slices)| {
                let label = [group.label.as_slice(), &[value]].concat();
                Group { slices, label }
            }));
        }
        groups = next;
    }
    groups.into_iter().flat_map(|group| by_turn(group, mixed)).collect()
}

/// Groups of equal values; none when there are more than `most`: then the value counts frames and not volumes. Stacks and
/// segments are named to be told apart, however many there are.
fn by_value(series: &Series, slices: &[Slice], aspect: Aspect, most: usize) -> Vec<(String, Vec<Slice>)> {
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut parts: Vec<(String, Vec<Slice>)> = Vec::new();
    for slice in slices {
        let value = series.header(slice.at).aspect(aspect).unwrap_or_else(|| "not stated".to_owned());
        let next = parts.len();
        let known = *at.entry(value.clone()).or_insert(next);
        if known == next {
            let named = matches!(aspect, Aspect::Stack | Aspect::Segment);
            if next == if named { GROUPS } else { most } {
                return Vec::new();
            }
            parts.push((value, Vec::new()));
        }
        parts[known].1.push(slice.clone());
    }
    parts
}

/// Where every place is taken equally often, and nothing tells the takers apart, the order of the series does.
fn by_turn(group: Group, mixed: &mut Mixed) -> Vec<Group> {
    let takers = Takers::of(&group.slices);
    if takers.most < 2 || takers.places * takers.most != group.slices.len() {
        return vec![group];
    }
    let value = format!("{} positions, {} frames at each", takers.places, takers.most);
    note(mixed, Aspect::Repetition as usize, Aspect::Repetition, vec![value]);
    let mut turns: Vec<Vec<Slice>> = vec![Vec::new(); takers.most];
    for (slice, turn) in group.slices.into_iter().zip(takers.turns) {
        turns[turn].push(slice);
    }
    let labelled = |(turn, slices)| {
        let label = [group.label.as_slice(), &[format!("repetition {}", turn + 1)]].concat();
        Group { slices, label }
    };
    turns.into_iter().enumerate().map(labelled).collect()
}

/// How often places are taken.
struct Takers {
    places: usize,
    /// Frames at the place that has the most.
    most: usize,
    /// Frames beyond one a place.
    surplus: usize,
    /// Of each frame: how many frames before it in the series have its place.
    turns: Vec<usize>,
}

impl Takers {
    fn of(slices: &[Slice]) -> Self {
        let Some(first) = slices.first() else { return Self { places: 0, most: 0, surplus: 0, turns: Vec::new() } };
        let normal = cross(first.plane.row_cosines, first.plane.column_cosines);
        let depth = |i: usize| dot(slices[i].plane.position, normal);
        let mut order: Vec<usize> = (0..slices.len()).collect();
        // Stable: frames of one place keep the order of the series.
        order.sort_by(|&a, &b| depth(a).total_cmp(&depth(b)));
        let largest = order.windows(2).map(|pair| depth(pair[1]) - depth(pair[0])).fold(0.0f64, f64::max);
        let (mut places, mut most, mut start) = (0, 0, 0);
        let mut turns = vec![0; slices.len()];
        while start < order.len() {
            let depth_of_place = depth(order[start]);
            let same = |&&i: &&usize| depth(i) - depth_of_place < same_depth(largest);
            let mut takers: Vec<usize> = order[start..].iter().take_while(same).copied().collect();
            takers.sort_unstable();
            for (turn, &i) in takers.iter().enumerate() {
                turns[i] = turn;
            }
            places += 1;
            most = most.max(takers.len());
            start += takers.len().max(1);
        }
        Self { places, most, surplus: slices.len() - places, turns }
    }
}
