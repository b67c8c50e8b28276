//! One SOP Instance UID on several files of a series.

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;
use netra_core::Limits;
use rayon::prelude::*;

use crate::attributes::text;
use crate::code::{Code, warning};
use crate::series::Instance;

/// Keeps one of each set of instances whose UID and data set are the same, byte for byte; preamble and file meta information
/// may differ. Instances that share a UID and differ are all kept: nothing says which is right.
pub(crate) fn settle(instances: Vec<Instance>, limits: &Limits) -> Vec<Instance> {
    let mut by_uid: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, instance) in instances.iter().enumerate() {
        if let Some(uid) = text(instance.header(), tags::SOP_INSTANCE_UID) {
            by_uid.entry(uid).or_default().push(i);
        }
    }
    let shared: Vec<Vec<usize>> = by_uid.into_values().filter(|files| files.len() > 1).collect();
    if shared.is_empty() {
        return instances;
    }
    // A file that cannot be read again is like no other.
    let digest = |i: &usize| instances.get(*i).and_then(|instance| instance.file.digest(limits).ok());
    let digests: Vec<Vec<_>> = shared.par_iter().map(|files| files.iter().map(digest).collect()).collect();
    let mut kept: Vec<Option<Instance>> = instances.into_iter().map(Some).collect();
    for (files, digests) in shared.iter().zip(digests) {
        let mut distinct: Vec<(usize, usize)> = Vec::new();
        for (position, i) in files.iter().enumerate() {
            let same =
                |(first, _): &&mut (usize, usize)| digests[position].is_some() && digests[*first] == digests[position];
            match distinct.iter_mut().find(same) {
                Some((_, copies)) => {
                    *copies += 1;
                    kept[*i] = None;
                }
                None => distinct.push((position, 1)),
            }
        }
        for (position, copies) in &distinct {
            let Some(Some(instance)) = kept.get_mut(files[*position]) else { continue };
            if *copies > 1 {
                let text = format!("the instance lies there {copies} times, one was kept");
                instance.file.warnings.push(warning(Code::InstanceDuplicated, text));
            }
            if distinct.len() > 1 {
                let text = format!("{} instances share one SOP Instance UID and differ", distinct.len());
                instance.file.warnings.push(warning(Code::InstanceUidReused, text));
            }
        }
    }
    kept.into_iter().flatten().collect()
}
