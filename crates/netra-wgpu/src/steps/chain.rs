//! Chains of element-wise steps that run as one: what is between them never reaches memory.

use std::collections::HashMap;

use cubecl::prelude::*;
use netra_graph::{DType, Kernel, Program, Step, ValueId};

use super::view::{broadcast, empty, walks};
use super::{elementwise, unary};
use crate::gpu::{Buffer, Gpu};
use crate::kernels::chain::{LINKS, Link, OPERANDS, chain_kernel};
use crate::value::{Value, count, split};

/// Steps that run as one, at the place of the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// What it reads; the first link is applied to the first.
    pub(crate) operands: Vec<Option<ValueId>>,
    links: Vec<Link>,
    /// Two a link.
    parameters: Vec<f32>,
    /// The steps, by number.
    steps: Vec<usize>,
}

/// What becomes of a step.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// It runs by itself.
    Alone,
    /// It runs with a later step.
    Absorbed,
    /// It runs as the end of a chain.
    End(Chain),
}

/// The roles of a program's steps on an adapter that binds `limit` bytes.
pub(crate) fn roles(program: &Program, limit: usize) -> Vec<Role> {
    let mut uses = vec![0usize; program.values.len()];
    let read = program.steps.iter().flat_map(|s| s.inputs.iter().flatten());
    read.chain(&program.outputs).for_each(|id| uses[id.index()] += 1);
    // The chain that a value is the end of.
    let mut open: HashMap<ValueId, Chain> = HashMap::new();
    let mut roles = vec![Role::Alone; program.steps.len()];
    for (i, step) in program.steps.iter().enumerate() {
        if !suits(program, step, limit) {
            continue;
        }
        let shape = &program.value(step.output).shape;
        let continued = step.inputs.iter().flatten().enumerate().find_map(|(k, id)| {
            let alone = uses[id.index()] == 1 && program.value(*id).shape == *shape;
            let chain = open.get(id).filter(|_| alone)?;
            chain.clone().with(i, step, k).map(|chain| (*id, chain))
        });
        let chain = match continued {
            Some((id, chain)) => {
                open.remove(&id);
                Some(chain)
            }
            None => Chain::start(step).with(i, step, 0),
        };
        if let Some(chain) = chain {
            if let [before @ .., _, _] = chain.steps.as_slice() {
                before.iter().for_each(|&s| roles[s] = Role::Absorbed);
            }
            if let [.., before, last] = *chain.steps {
                roles[before] = Role::Absorbed;
                roles[last] = Role::End(chain.clone());
            }
            open.insert(step.output, chain);
        }
    }
    roles
}

/// Whether a step is a function of float elements, all in one piece.
fn suits(program: &Program, step: &Step, limit: usize) -> bool {
    let fits = |id: &ValueId| {
        let value = program.value(*id);
        value.dtype == DType::F32 && split(&value.shape, limit).is_some_and(|parts| parts.len() == 1)
    };
    let known = match step.kernel {
        Kernel::Unary(op) => unary::float_unary(op).is_some(),
        Kernel::Binary(op) => elementwise::number(op).is_some(),
        _ => false,
    };
    known && step.inputs.iter().flatten().chain([&step.output]).all(fits) && step.inputs.iter().all(Option::is_some)
}

impl Chain {
    /// No links yet, of a step's first input.
    fn start(step: &Step) -> Self {
        Self { operands: step.inputs[..1].to_vec(), links: Vec::new(), parameters: Vec::new(), steps: Vec::new() }
    }

    /// With a step whose input `k` the chain makes; `None` when that is too much for one.
    fn with(mut self, number: usize, step: &Step, k: usize) -> Option<Self> {
        let mut parameters = [0.0; 2];
        let link = match step.kernel {
            Kernel::Unary(op) => {
                let (op, alpha, beta) = unary::float_unary(op)?;
                parameters = [alpha, beta];
                Link::Map(op)
            }
            Kernel::Binary(op) => {
                let other = step.inputs[1 - k];
                let operand = self.operands.iter().position(|&id| id == other).unwrap_or_else(|| {
                    self.operands.push(other);
                    self.operands.len() - 1
                });
                Link::Join { op: elementwise::number(op)?, operand, swapped: k == 1 }
            }
            _ => return None,
        };
        self.links.push(link);
        self.parameters.extend(parameters);
        self.steps.push(number);
        (self.links.len() <= LINKS && self.operands.len() <= OPERANDS).then_some(self)
    }
}

/// Runs a chain on its operands.
pub(crate) fn run(gpu: &Gpu, chain: &Chain, operands: &[&Value], shape: &[usize]) -> Value {
    let out = empty(gpu, shape);
    let total = count(shape);
    let channels = shape.get(1).copied().unwrap_or(1);
    let views: Vec<_> = operands.iter().map(|v| broadcast(gpu, v, shape, 0, channels)).collect();
    let (Some(a), Some(y), true) = (views.first(), out.single(), total > 0) else { return out };
    let all: Vec<_> = (0..OPERANDS).map(|i| views.get(i).unwrap_or(a)).collect();
    let (sizes, walks) = walks(shape, &all);
    let Ok([wa, wb, wc, wd]) = <[_; OPERANDS]>::try_from(walks) else { return out };
    let mut links = [Link::End; LINKS];
    links[..chain.links.len()].copy_from_slice(&chain.links);
    let mut parameters = chain.parameters.clone();
    parameters.resize(2 * LINKS, 0.0);
    let optional = |i: usize| Buffer::optional(views.get(i).map(|v| &v.buffer)).into();
    let (cubes, dim) = gpu.grid(total);
    let (c, sizes) = (&gpu.client, sizes.into_iter().collect::<SequenceArg<usize>>());
    let (a, b, third, d, y) = (a.buffer.arg(), optional(1), optional(2), optional(3), y.arg());
    let parameters = parameters.into_iter().collect::<SequenceArg<f32>>();
    chain_kernel::launch(c, cubes, dim, a, b, third, d, y, total, sizes, wa, wb, wc, wd, parameters, links);
    out
}

#[cfg(test)]
mod tests {
    use netra_graph::{Activation, Binary, ProgramBuilder, Unary};

    use super::*;

    #[test]
    fn what_is_used_twice_ends_a_chain() {
        let mut b = ProgramBuilder::new();
        let x = b.input("x", DType::F32, &[2, 3]);
        let bias = b.input("bias", DType::F32, &[3]);
        let shape = [2, 3];
        let binary = |op| Kernel::Binary(op);
        let relu = Kernel::Unary(Unary::Activation(Activation::Relu));
        let added = b.step("add", binary(Binary::Add), &[Some(bias), Some(x)], DType::F32, &shape);
        let active = b.step("relu", relu, &[Some(added)], DType::F32, &shape);
        let scaled = b.step("mul", binary(Binary::Mul), &[Some(bias), Some(active)], DType::F32, &shape);
        let root = b.step("sqrt", Kernel::Unary(Unary::Sqrt), &[Some(scaled)], DType::F32, &shape);
        let sum = b.step("sum", binary(Binary::Add), &[Some(scaled), Some(root)], DType::F32, &shape);
        let roles = roles(&b.finish(vec![sum]), usize::MAX);
        let steps: Vec<_> = roles.iter().map(|r| if let Role::End(c) = r { c.steps.clone() } else { vec![] }).collect();
        // `scaled` is read by two steps: it has to be there, and begins no chain that it is the end of.
        assert_eq!(steps, [vec![], vec![], vec![0, 1, 2], vec![], vec![3, 4]]);
        assert!(matches!(roles[3], Role::Absorbed));
        let Role::End(chain) = &roles[2] else { panic!("a chain") };
        assert_eq!(chain.operands, [Some(bias), Some(x)]);
    }
}
