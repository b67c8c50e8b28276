//! The Python names that mean something here. Everything else is opaque.
//!
//! Tensors are rebuilt by functions of `torch._utils`; dictionaries by the classes of `collections`; TorchScript wraps lists
//! in functions of `torch.jit._pickle`. A storage is a tuple of a persistent id:
//! `("storage", class, key, location, elements[, view])`.

use super::Budget;
use super::storage::{Element, Storage, View};
use super::value::{Object, Objects, Opaque, Value, charge};
use crate::{Error, Result};

/// Most arguments of a function that rebuilds a tensor.
const MAX_ARGUMENTS: usize = 8;

/// The value that `callable(*arguments)` stands for: a tensor or a dictionary for the names that are known, else an
/// opaque one.
pub fn call<'a>(
    callable: Value<'a>,
    arguments: Vec<Value<'a>>,
    objects: &mut Objects<'a>,
    budget: &mut Budget,
) -> Result<Value<'a>> {
    let first = arguments.first().copied();
    match objects.global(callable) {
        Some(("torch._utils", name @ ("_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3"))) => {
            rebuild_tensor(name, &arguments, objects, budget)
        }
        Some(("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state"))
        | Some(("torch.jit._pickle", "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist"))
        | Some(("torch.jit._pickle", "restore_type_tag") | ("torch", "Size")) => {
            first.ok_or_else(|| Error::malformed(format!("{} without arguments", objects.describe(callable))))
        }
        Some(("torch._tensor" | "torch.tensor", "_rebuild_from_type_v2")) => subclass(&arguments, objects, budget),
        Some(("collections", "OrderedDict") | ("builtins" | "__builtin__", "dict")) => {
            dictionary(first, objects, budget)
        }
        Some(("collections", "defaultdict")) => dictionary(None, objects, budget),
        _ => {
            let cells = arguments.len();
            objects.add(Object::Opaque(Opaque { callable, parts: arguments, state: None }), cells, budget)
        }
    }
}

/// Whether a name stands for a tensor although none of its arguments need be one.
pub fn rebuilds_a_tensor((module, name): (&str, &str)) -> bool {
    let rebuilds = name.starts_with("_rebuild_") && matches!(module, "torch._utils" | "torch._tensor" | "torch.tensor");
    rebuilds || (module, name) == ("torch.storage", "_load_from_bytes")
}

/// Whether a class belongs to a TorchScript module, whose attributes are plain data.
pub fn is_torchscript((module, _): (&str, &str)) -> bool {
    module == "__torch__" || module.starts_with("__torch__.")
}

/// `BUILD`: gives `target` its state. Attributes of dictionaries (`_metadata`) and of tensors are dropped.
pub fn build<'a>(target: Value<'a>, state: Value<'a>, objects: &mut Objects<'a>, budget: &mut Budget) -> Result<()> {
    charge(1, budget)?;
    match objects.get_mut(target) {
        Some(Object::Opaque(opaque)) => {
            // A second state does not hide what the first one held.
            opaque.parts.extend(opaque.state.replace(state));
            Ok(())
        }
        Some(Object::Dict(_) | Object::Tensor(_)) => Ok(()),
        _ => Err(Error::malformed(format!("a state given to {}", objects.describe(target)))),
    }
}

/// The object behind a persistent id.
pub fn persistent<'a>(id: Value<'a>, objects: &mut Objects<'a>, budget: &mut Budget) -> Result<Value<'a>> {
    let items = objects.items(id).unwrap_or_default();
    match *items {
        [Value::Text("storage"), class, Value::Text(key), _, Value::Int(elements), ref view @ ..] => {
            let Some((module, name)) = objects.global(class) else {
                return Err(Error::malformed(format!("a storage of class {}", objects.describe(class))));
            };
            let known = matches!(module, "torch" | "torch.cuda" | "torch.storage");
            let Some(element) = Element::of_storage(name).filter(|_| known) else {
                return Err(Error::unsupported(format!("storage class {}", objects.describe(class))));
            };
            let mut storage = Storage::new(key, element, elements)?;
            match view {
                [] | [Value::None] => {}
                // How PyTorch before 0.4 wrote a storage that is part of another one: key, first element, elements.
                [part] => match objects.items(*part) {
                    Some([_, Value::Int(first), Value::Int(elements)]) => storage = storage.part(*first, *elements)?,
                    _ => return Err(Error::malformed("a storage with a view that is none")),
                },
                _ => return Err(Error::malformed("a storage with too many parts")),
            }
            objects.add(Object::Storage(storage), 0, budget)
        }
        // The source code of a module's class, beside it: not looked at.
        [Value::Text("module"), class, ..] => Ok(class),
        _ => Err(Error::unsupported("a persistent id that is no storage")),
    }
}

fn rebuild_tensor<'a>(
    name: &str,
    arguments: &[Value<'a>],
    objects: &mut Objects<'a>,
    budget: &mut Budget,
) -> Result<Value<'a>> {
    let wrong = || Error::malformed(format!("{name} with other arguments than it takes"));
    let &[storage, Value::Int(offset), shape, strides, ref rest @ ..] = arguments else { return Err(wrong()) };
    if arguments.len() > MAX_ARGUMENTS {
        return Err(wrong());
    }
    let storage = match objects.get(storage) {
        Some(Object::Storage(storage)) => *storage,
        Some(Object::Opaque(_)) => {
            return Err(Error::unsupported(format!("a tensor over {}", objects.describe(storage))));
        }
        _ => return Err(wrong()),
    };
    let element = match rest.get(2) {
        Some(&dtype) if name == "_rebuild_tensor_v3" => match objects.global(dtype) {
            Some(("torch", dtype)) => {
                Element::of_dtype(dtype).ok_or_else(|| Error::unsupported(format!("element type torch.{dtype}")))?
            }
            _ => return Err(wrong()),
        },
        _ => storage.element,
    };
    let offset = usize::try_from(offset).map_err(|_| wrong())?;
    let (shape, strides) = (objects.sizes(shape).ok_or_else(wrong)?, objects.sizes(strides).ok_or_else(wrong)?);
    let cells = shape.len() + strides.len();
    budget.take(size_of::<View<'_>>())?;
    let view = View::new(storage, element, offset, shape, strides)?;
    objects.add(Object::Tensor(Box::new(view)), cells, budget)
}

/// A tensor of a class derived from `torch.Tensor`: function, class, arguments, state. Only the tensor is taken.
fn subclass<'a>(arguments: &[Value<'a>], objects: &mut Objects<'a>, budget: &mut Budget) -> Result<Value<'a>> {
    let wrong = || Error::malformed("_rebuild_from_type_v2 with other arguments than it takes");
    let &[function, _, arguments, _] = arguments else { return Err(wrong()) };
    match objects.global(function) {
        Some(("torch._utils", name @ ("_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3"))) => {
            let arguments = objects.items(arguments).ok_or_else(wrong)?.to_vec();
            charge(arguments.len(), budget)?;
            rebuild_tensor(name, &arguments, objects, budget)
        }
        _ => Err(Error::unsupported(format!("a tensor rebuilt by {}", objects.describe(function)))),
    }
}

/// A dictionary, from a list of pairs where there is one (as Python 2 wrote ordered dictionaries).
fn dictionary<'a>(pairs: Option<Value<'a>>, objects: &mut Objects<'a>, budget: &mut Budget) -> Result<Value<'a>> {
    let pairs = pairs.and_then(|pairs| objects.items(pairs)).unwrap_or_default();
    charge(2 * pairs.len(), budget)?;
    let pair = |&pair: &Value<'a>| match objects.items(pair) {
        Some(&[key, value]) => Ok((key, value)),
        _ => Err(Error::malformed("a dictionary made of what are no pairs")),
    };
    let entries = pairs.iter().map(pair).collect::<Result<Vec<_>>>()?;
    objects.add(Object::Dict(entries), 0, budget)
}
