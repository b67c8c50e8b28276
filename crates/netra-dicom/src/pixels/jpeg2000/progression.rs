//! The order in which packets come (ITU-T T.800 B.12).

use netra_core::{Error, Result};

use super::coding::{Change, Coding, Order};
use super::tile::{Precinct, TileComponent};

/// A precinct: its component, its resolution, its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) component: usize,
    pub(super) resolution: usize,
    pub(super) precinct: usize,
    /// On the reference grid: down, across.
    corner: [u64; 2],
}

/// Calls `packet` for the packets of a tile, each at its first turn.
pub(super) fn packets(
    coding: &Coding,
    components: &mut [TileComponent],
    mut packet: impl FnMut(&mut TileComponent, Place) -> Result<()>,
) -> Result<()> {
    let mut places = Vec::new();
    for (component, parts) in components.iter().enumerate() {
        for (resolution, parts) in parts.resolutions.iter().enumerate() {
            let of =
                |(precinct, part): (usize, &Precinct)| Place { component, resolution, precinct, corner: part.corner };
            places.extend(parts.precincts.iter().enumerate().map(of));
        }
    }
    // Without changes all is one part of the progression.
    let all = Change { resolutions: [0, 33], components: [0, u32::MAX], layers: coding.layers, order: coding.order };
    let changes = if coding.changes.is_empty() { &[all][..] } else { &coding.changes };
    for change in changes {
        let layers = change.layers.min(coding.layers);
        let mut next = |place: Place, layer: u32| {
            let component = &mut components[place.component];
            if component.resolutions[place.resolution].precincts[place.precinct].layers != layer {
                return Ok(());
            }
            packet(component, place)
        };
        let inside = |[from, to]: [u32; 2], at: usize| (from as usize..to as usize).contains(&at);
        let mut here: Vec<Place> = places.clone();
        here.retain(|p| inside(change.resolutions, p.resolution) && inside(change.components, p.component));
        // Places are in the order of components, resolutions, precincts: sorts keep what they do not decide.
        match change.order {
            Order::Lrcp | Order::Rlcp => here.sort_by_key(|p| p.resolution),
            Order::Rpcl => here.sort_by_key(|p| (p.resolution, p.corner)),
            Order::Pcrl => here.sort_by_key(|p| p.corner),
            Order::Cprl => here.sort_by_key(|p| (p.component, p.corner)),
            Order::Other => return Err(Error::unsupported("an unknown order of JPEG 2000 packets")),
        }
        let groups: Box<dyn Iterator<Item = &[Place]>> = match change.order {
            Order::Lrcp => Box::new(std::iter::once(&here[..])),
            Order::Rlcp => Box::new(here.chunk_by(|a, b| a.resolution == b.resolution)),
            _ => Box::new(here.chunks(1)),
        };
        for group in groups {
            for layer in 0..layers {
                group.iter().try_for_each(|&place| next(place, layer))?;
            }
        }
    }
    Ok(())
}
