//! Which part of what was saved is the weights, and what its tensors are called.

use std::collections::BTreeMap;

use super::Budget;
use super::globals;
use super::storage::View;
use super::value::{Object, Objects, Reach, Value};
use crate::{Error, ErrorKind, Result};

/// Names under which training programs put the weights, beside epochs and optimisers.
const USUAL: [&str; 12] = [
    "state_dict",
    "model_state_dict",
    "network_weights",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "model_dict",
    "net_state_dict",
];
/// Prefixes that wrappers add to every name.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];
/// Most dictionaries or modules inside each other.
const MAX_DEPTH: usize = 64;
/// Memory that a visited entry may take beside its name: a name in two lists, and the tensor's head.
const VISIT: usize = 160;

/// Tensors by name, and what was left out.
#[derive(Default)]
pub struct Selection<'o, 'a> {
    pub tensors: Vec<(String, &'o View<'a>)>,
    pub key: String,
    pub skipped: Vec<String>,
}

/// Finds the weights in a saved object: at `key` (several with `/` between them), or where they are usual. There may be
/// none.
pub fn select<'o, 'a>(
    root: Value<'a>,
    objects: &'o Objects<'a>,
    key: Option<&str>,
    budget: &mut Budget,
) -> Result<Selection<'o, 'a>> {
    let reach = objects.reach(budget)?;
    let mut walk = Walk { objects, reach, budget, found: Selection::default() };
    let chosen = match key {
        Some(key) => walk.given(root, key)?,
        None => walk.usual(root)?,
    };
    if walk.reach.tensor(chosen) {
        walk.flatten(chosen, "", 0)?;
    }
    let mut found = walk.found;
    unwrap(&mut found.tensors);
    found.tensors.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some([(name, _), _]) = found.tensors.array_windows().find(|[a, b]| a.0 == b.0) {
        return Err(Error::malformed(format!("two tensors '{name}'")));
    }
    Ok(found)
}

/// The tensors of a tuple, as `c0`, `c1` ...
pub fn constants<'o, 'a>(root: Value<'a>, objects: &'o Objects<'a>, budget: &mut Budget) -> Result<Selection<'o, 'a>> {
    let items = objects.items(root).ok_or_else(|| Error::malformed("the constants are no tuple"))?;
    let mut found = Selection::default();
    for (i, &item) in items.iter().enumerate() {
        if let Some(Object::Tensor(view)) = objects.get(item) {
            budget.take(VISIT)?;
            found.tensors.push((format!("c{i}"), view));
        }
    }
    Ok(found)
}

struct Walk<'o, 'a, 'b> {
    objects: &'o Objects<'a>,
    reach: Reach,
    budget: &'b mut Budget,
    found: Selection<'o, 'a>,
}

/// The entries of a dictionary whose keys are text or numbers; of two with one key the last, as in Python.
type Entries<'a> = BTreeMap<String, Value<'a>>;

impl<'a> Walk<'_, 'a, '_> {
    /// The entries of a dictionary, or of the attributes of a TorchScript module. Other opaque values with tensors
    /// below them are refused by name.
    fn entries(&mut self, value: Value<'a>) -> Result<Entries<'a>> {
        let dict = match self.objects.get(value) {
            Some(Object::Opaque(opaque)) => {
                let scripted = self.objects.global(opaque.callable).is_some_and(globals::is_torchscript);
                match opaque.state {
                    Some(state) if scripted && matches!(self.objects.get(state), Some(Object::Dict(_))) => state,
                    _ => return Err(self.refused(value)),
                }
            }
            _ => value,
        };
        let Some(Object::Dict(pairs)) = self.objects.get(dict) else {
            return Err(Error::unsupported(format!("{} where a state dict is wanted", self.objects.describe(dict))));
        };
        let mut entries = Entries::new();
        for &(key, value) in pairs {
            let name = match key {
                Value::Text(text) => text.to_owned(),
                Value::Int(number) => number.to_string(),
                _ => continue,
            };
            self.budget.take(VISIT + name.len())?;
            entries.insert(name, value);
        }
        Ok(entries)
    }

    fn refused(&self, value: Value<'a>) -> Error {
        let name = self.objects.describe(value);
        Error::unsupported(format!("the tensors of {name}: only plain state dicts are read, and nothing is executed"))
    }

    /// Notes that an entry was left out.
    fn skip(&mut self, name: &str, value: Value<'a>) -> Result<()> {
        let line = format!("{name} ({})", self.objects.describe(value));
        self.budget.take(line.len() + VISIT)?;
        self.found.skipped.push(line);
        Ok(())
    }

    /// Goes into the entry `name` and notes the others.
    fn enter(&mut self, entries: &Entries<'a>, name: &str) -> Result<()> {
        let before = self.found.key.clone();
        for (other, &value) in entries.iter().filter(|(other, _)| *other != name) {
            self.skip(&joined(&before, other, '/'), value)?;
        }
        self.found.key = joined(&before, name, '/');
        Ok(())
    }

    /// What lies at a key that the caller gave.
    fn given(&mut self, root: Value<'a>, key: &str) -> Result<Value<'a>> {
        let (mut value, mut rest) = (root, key);
        loop {
            let entries = self.entries(value)?;
            // A key that holds a slash itself comes before a path.
            let (name, after) = if entries.contains_key(rest) { (rest, None) } else { split(rest) };
            let Some(&inner) = entries.get(name) else {
                let names: Vec<&String> = entries.keys().take(20).collect();
                return Err(Error::invalid(format!("no key '{name}'; there are {names:?}")));
            };
            self.enter(&entries, name)?;
            value = inner;
            match after {
                Some(after) => rest = after,
                None => return Ok(value),
            }
        }
    }

    /// Where the weights usually are: see [`read_with`](super::read_with).
    fn usual(&mut self, root: Value<'a>) -> Result<Value<'a>> {
        let mut value = root;
        for _ in 0..MAX_DEPTH {
            if !matches!(self.objects.get(value), Some(Object::Dict(_))) {
                return Ok(value);
            }
            let entries = self.entries(value)?;
            let holders = |name: &&String| entries.get(*name).is_some_and(|&v| self.holds_tensors(v));
            // A single number beside them (the best loss, say) does not make a dictionary weights.
            let arrays = entries.values().any(|&v| match self.objects.get(v) {
                Some(Object::Tensor(view)) => view.rank() > 0,
                _ => false,
            });
            let usual: Vec<&String> = entries.keys().filter(|n| USUAL.contains(&n.as_str())).filter(holders).collect();
            let all: Vec<&String> = entries.keys().filter(holders).collect();
            let next = match (usual.as_slice(), all.as_slice()) {
                _ if arrays => return Ok(value),
                ([one], _) => one.as_str(),
                ([_, _, ..], _) => {
                    let place = if self.found.key.is_empty() { "the file" } else { &self.found.key };
                    let message = format!("the weights may be at any of {usual:?} of {place}: name one");
                    return Err(Error::new(ErrorKind::InvalidInput, message));
                }
                ([], [one]) if self.has_tensors(entries.get(*one)) => one.as_str(),
                _ => return Ok(value),
            };
            self.enter(&entries, next)?;
            value = entries.get(next).copied().unwrap_or(value);
        }
        Err(too_deep())
    }

    /// Whether a value is a dictionary or object with tensors below it, and no optimiser.
    fn holds_tensors(&self, value: Value<'a>) -> bool {
        matches!(self.objects.get(value), Some(Object::Dict(_) | Object::Opaque(_)))
            && self.reach.tensor(value)
            && !self.is_optimiser(value)
    }

    /// Whether a dictionary has tensors among its own entries.
    fn has_tensors(&self, value: Option<&Value<'a>>) -> bool {
        let Some(Object::Dict(pairs)) = value.and_then(|&v| self.objects.get(v)) else { return false };
        pairs.iter().any(|&(_, v)| matches!(self.objects.get(v), Some(Object::Tensor(_))))
    }

    /// The state dict of an optimiser has these two entries.
    fn is_optimiser(&self, value: Value<'a>) -> bool {
        ["state", "param_groups"].iter().all(|key| self.objects.entry(value, key).is_some())
    }

    /// Collects the tensors of a dictionary or module and of those inside it.
    fn flatten(&mut self, value: Value<'a>, prefix: &str, depth: usize) -> Result<()> {
        if depth == MAX_DEPTH {
            return Err(too_deep());
        }
        let entries =
            self.entries(value).map_err(|e| if prefix.is_empty() { e } else { e.at(format!("'{prefix}'")) })?;
        for (name, value) in entries {
            self.budget.take(prefix.len() + name.len())?;
            let name = joined(prefix, &name, '.');
            match self.objects.get(value) {
                Some(Object::Tensor(view)) => {
                    self.budget.take(VISIT)?;
                    self.found.tensors.push((name, view));
                }
                Some(Object::Dict(_) | Object::Opaque(_)) if self.holds_tensors(value) => {
                    self.flatten(value, &name, depth + 1)?;
                }
                _ => self.skip(&name, value)?,
            }
        }
        Ok(())
    }
}

fn too_deep() -> Error {
    Error::limit(format!("more than {MAX_DEPTH} dictionaries inside each other"))
}

fn joined(prefix: &str, name: &str, by: char) -> String {
    if prefix.is_empty() {
        return name.to_owned();
    }
    // Names may be megabytes long in hostile files: no more room than they need.
    let mut joined = String::with_capacity(prefix.len() + name.len() + 1);
    joined.push_str(prefix);
    joined.push(by);
    joined.push_str(name);
    joined
}

/// The part before the first slash, and what follows it.
fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once('/').map_or((key, None), |(first, rest)| (first, Some(rest)))
}

/// Takes off the prefixes that all names share and that a wrapper put there.
fn unwrap(tensors: &mut [(String, &View<'_>)]) {
    let shared = |tensors: &[(String, &View<'_>)], prefix: &str| {
        tensors.iter().all(|(name, _)| name.len() > prefix.len() && name.starts_with(prefix))
    };
    while let Some(prefix) = WRAPPERS.iter().find(|prefix| !tensors.is_empty() && shared(tensors, prefix)) {
        for (name, _) in tensors.iter_mut() {
            name.drain(..prefix.len());
        }
    }
}
