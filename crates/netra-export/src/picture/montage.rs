//! Pictures of volumes: rows of axial, coronal and sagittal planes through what was found.

use ndarray::{ArrayView3, Axis, Slice};
use netra_core::{ExtentMeasure, Findings, LabelMap, Volume};

use super::canvas::{Canvas, text_width};
use super::grey::Window;
use super::page::{Entry, MARGIN, MUTED, Page, ROOM, TEXT, legend};
use super::resize::{CUBIC, resize};
use super::view::{Axes, View, labelled_extent};
use super::{heat, overlay};
use crate::details::Heat;

/// Tiles of the widest view; narrow views have room for more.
const TILES: usize = 4;
const MOST_TILES: usize = 7;
const GAP: usize = 12;
/// Above each row of tiles.
const HEADING: usize = 26;
/// All rows together.
const MOST_HEIGHT: f64 = 1150.0;
/// What is shown around the labelled extent, as a share of it and at least in millimetres.
const SURROUND: f64 = 0.2;
const LEAST_SURROUND: f64 = 20.0;

/// The montage of a segmentation; of the whole volume when nothing was found.
pub(super) fn segmentation(
    findings: &Findings,
    map: &LabelMap,
    extents: &[(u64, ExtentMeasure)],
    volume: &Volume,
    window: Option<Window>,
) -> Canvas {
    let labelled = labelled_extent(map.labels());
    let montage = Montage::new(volume, window, labelled);
    let mut entries = legend(map, extents);
    if entries.is_empty() {
        entries.push(Entry { colour: MUTED, label: "Nothing was found".to_owned(), value: String::new() });
    }
    let mut page = Page::new(findings, montage.height(), &entries);
    let top = page.top;
    montage.draw(&mut page.canvas, (MARGIN, top), Over::Labels(map));
    page.canvas
}

/// What is drawn over the planes.
#[derive(Clone, Copy)]
pub(super) enum Over<'a> {
    Nothing,
    Labels(&'a LabelMap),
    Heat(&'a Heat<'a>),
}

/// Which planes are shown, of which part, at which scale.
pub(super) struct Montage<'a> {
    volume: &'a Volume,
    axes: Axes,
    /// First and last shown index of each array axis.
    shown: [[usize; 2]; 3],
    /// First and last index of each array axis that planes are taken from.
    planes: [[usize; 2]; 3],
    /// Display pixels a millimetre.
    scale: f64,
    window: Window,
}

impl<'a> Montage<'a> {
    /// Planes through `extent` (first and last index of each array axis), or through the whole volume; without a window the
    /// values of the shown part make one.
    pub fn new(volume: &'a Volume, window: Option<Window>, extent: Option<[[usize; 2]; 3]>) -> Self {
        let geometry = volume.geometry();
        let (shape, spacing) = (geometry.shape(), geometry.spacing());
        let whole = shape.map(|length| [0, length - 1]);
        let planes = extent.unwrap_or(whole);
        let shown = extent.map_or(whole, |extent| {
            std::array::from_fn(|axis| {
                let [first, last] = extent[axis];
                let mm = (last - first + 1) as f64 * spacing[axis];
                let around = ((mm * SURROUND).max(LEAST_SURROUND) / spacing[axis]).round() as usize;
                [first.saturating_sub(around), (last + around).min(shape[axis] - 1)]
            })
        });
        let window = window.unwrap_or_else(|| {
            let mut part = volume.voxels();
            for (axis, [first, last]) in shown.iter().enumerate() {
                part.slice_axis_inplace(Axis(axis), Slice::from(*first..*last + 1));
            }
            Window::of(part.iter().copied(), part.len())
        });
        let axes = Axes::of(geometry);
        let mut montage = Self { volume, axes, shown, planes, scale: 1.0, window };
        let widest = View::ALL.map(|view| montage.millimetres(view)[1]).into_iter().fold(0.0, f64::max);
        let tallest: f64 = View::ALL.map(|view| montage.millimetres(view)[0]).iter().sum();
        let tile = ((ROOM - (TILES - 1) * GAP) / TILES) as f64;
        montage.scale = (tile / widest).min(MOST_HEIGHT / tallest);
        montage
    }

    /// The whole volume at the scale at which one plane of each view fits beside the others within `width` and `height`.
    pub fn in_rows(volume: &'a Volume, window: Option<Window>, width: usize, height: f64) -> Self {
        let mut montage = Self::new(volume, window, None);
        let sizes = View::ALL.map(|view| montage.millimetres(view));
        let widths: f64 = sizes.iter().map(|size| size[1]).sum();
        let tallest = sizes.iter().map(|size| size[0]).fold(0.0, f64::max);
        montage.scale = ((width - 2 * GAP) as f64 / widths).min(height / tallest);
        montage
    }

    /// Rows of pixels that [`draw_row`](Self::draw_row) takes.
    pub fn row_height(&self) -> usize {
        View::ALL.map(|view| self.size(view)[0]).into_iter().max().unwrap_or(0) + HEADING + GAP
    }

    /// Draws the plane of each view through a voxel from `at` to the right. Gives the column where they end.
    pub fn draw_row(&self, canvas: &mut Canvas, at: (usize, usize), voxel: [usize; 3], over: Over<'_>) -> usize {
        let mut left = at.0;
        for view in View::ALL {
            canvas.text((left as f32, at.1 as f32 + 15.0), 10.5, TEXT, 1.0, view.name());
            let [height, width] = self.size(view);
            let index = voxel[self.axes.array[view.axes()[0]]];
            self.tile(canvas, (left, at.1 + HEADING), view, index, over);
            if view == View::Axial {
                self.scale_bar(canvas, (left + 14, at.1 + HEADING + height - 14), view);
            }
            left += width + GAP;
        }
        left - GAP
    }

    /// Rows of pixels that [`draw`](Self::draw) takes.
    pub fn height(&self) -> usize {
        View::ALL.iter().map(|&view| self.size(view)[0] + HEADING + GAP).sum()
    }

    /// Draws every row from `at` down.
    pub fn draw(&self, canvas: &mut Canvas, at: (usize, usize), over: Over<'_>) {
        let mut top = at.1;
        for view in View::ALL {
            canvas.text((at.0 as f32, top as f32 + 15.0), 10.5, TEXT, 1.0, view.name());
            top += HEADING;
            let [height, width] = self.size(view);
            let indices = self.indices(view);
            // A full row ends where the page ends; a row of few planes keeps together.
            let spread = (ROOM - width.min(ROOM)) / (indices.len().max(2) - 1);
            let pitch = if indices.len() < TILES { width + GAP } else { spread.min(width + 4 * GAP) };
            for (i, index) in indices.into_iter().enumerate() {
                self.tile(canvas, (at.0 + i * pitch, top), view, index, over);
            }
            self.scale_bar(canvas, (at.0 + 14, top + height - 14), view);
            top += height + GAP;
        }
    }

    /// Evenly spaced planes, in the direction of the world axis: feet to head, front to back, right to left.
    fn indices(&self, view: View) -> Vec<usize> {
        let world = view.axes()[0];
        let [first, last] = self.planes[self.axes.array[world]];
        let span = (last - first + 1) as f64;
        let tiles = ((ROOM + GAP) / (self.size(view)[1] + GAP)).clamp(TILES, MOST_TILES);
        let mut indices: Vec<usize> =
            (0..tiles).map(|i| first + (span * (i as f64 + 0.5) / tiles as f64) as usize).collect();
        indices.dedup();
        if self.axes.reversed[world] {
            indices.reverse();
        }
        indices
    }

    /// Height and width of a view in millimetres.
    fn millimetres(&self, view: View) -> [f64; 2] {
        let spacing = self.volume.geometry().spacing();
        let [_, down, across] = view.axes().map(|world| self.axes.array[world]);
        [down, across].map(|axis| (self.shown[axis][1] - self.shown[axis][0] + 1) as f64 * spacing[axis])
    }

    /// Height and width of a view in display pixels.
    fn size(&self, view: View) -> [usize; 2] {
        self.millimetres(view).map(|mm| ((mm * self.scale).round() as usize).max(1))
    }

    fn tile(&self, canvas: &mut Canvas, at: (usize, usize), view: View, index: usize, over: Over<'_>) {
        let size = self.size(view);
        let (from, extent) = self.part(view);
        let voxels: ArrayView3<'_, f32> = self.volume.voxels();
        let plane = self.axes.plane(&voxels, view, index);
        // Windowed first: beside bone that is far beyond white, cubic interpolation would draw a dark rim.
        let mut grey = resize(plane.mapv(|value| self.window.grey(value)).view(), from, extent, size, CUBIC);
        grey.mapv_inplace(|value| value.clamp(0.0, 1.0));
        let colours = match over {
            Over::Nothing => [grey.clone(), grey.clone(), grey],
            Over::Labels(map) => {
                let mut colours = [grey.clone(), grey.clone(), grey];
                let labels = map.labels().view();
                overlay::draw(&mut colours, self.axes.plane(&labels, view, index), map, from, extent);
                colours
            }
            Over::Heat(heat) => {
                let values = heat.values.view();
                heat::painted(&grey, self.axes.plane(&values, view, index), from, extent, heat.maximum)
            }
        };
        canvas.picture(at, [colours[0].view(), colours[1].view(), colours[2].view()]);
        self.letters(canvas, at, view, index);
    }

    /// The shown part of a turned plane: its first row and column, and its size, in voxels.
    fn part(&self, view: View) -> ([f32; 2], [f32; 2]) {
        let shape = self.volume.geometry().shape();
        let [_, down, across] = view.axes().map(|world| self.axes.array[world]);
        let start = |axis: usize, flipped: bool| {
            let [first, last] = self.shown[axis];
            (if flipped { shape[axis] - 1 - last } else { first }) as f32
        };
        let length = |axis: usize| (self.shown[axis][1] - self.shown[axis][0] + 1) as f32;
        (
            [start(down, self.axes.flipped_down(view)), start(across, self.axes.flipped_across(view))],
            [length(down), length(across)],
        )
    }

    /// Sides at the edges, and where the plane lies.
    fn letters(&self, canvas: &mut Canvas, at: (usize, usize), view: View, index: usize) {
        let [height, width] = self.size(view);
        let middle = (at.1 + height / 2) as f32 + 5.0;
        let [left, right] = view.edges();
        canvas.text_on_picture((at.0 as f32 + 8.0, middle), 11.0, TEXT, left);
        let right_x = (at.0 + width) as f32 - 8.0 - text_width(11.0, right);
        canvas.text_on_picture((right_x, middle), 11.0, TEXT, right);

        let world = view.axes()[0];
        let axis = self.axes.array[world];
        let mut centre = self.volume.geometry().shape().map(|length| (length as f64 - 1.0) / 2.0);
        centre[axis] = index as f64;
        let mm = self.volume.geometry().affine().apply(centre)[world];
        let side = [["R", "L"], ["A", "P"], ["I", "S"]][world][usize::from(mm >= 0.0)];
        let place = format!("{side} {:.0} mm", mm.abs());
        canvas.text_on_picture((at.0 as f32 + 8.0, at.1 as f32 + 17.0), 8.5, TEXT, &place);
    }

    fn scale_bar(&self, canvas: &mut Canvas, at: (usize, usize), view: View) {
        let width = self.millimetres(view)[1];
        let Some(mm) = [100.0, 50.0, 20.0, 10.0, 5.0, 2.0].into_iter().find(|mm| *mm <= 0.4 * width) else { return };
        let length = (mm * self.scale).round() as usize;
        canvas.rectangle((at.0 - 2, at.1 - 2), (length + 4, 6), [0; 3], 0.6);
        canvas.rectangle(at, (length, 2), TEXT, 1.0);
        let name = if mm >= 10.0 { format!("{} cm", mm / 10.0) } else { format!("{mm} mm") };
        canvas.text_on_picture((at.0 as f32, at.1 as f32 - 7.0), 8.5, TEXT, &name);
    }
}
