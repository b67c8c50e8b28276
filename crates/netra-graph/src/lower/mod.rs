//! From [`Graph`] to [`Program`]: shapes inferred, parameters resolved, constants folded.
//!
//! Each file lowers one family of operators. Shape inference is concrete (the input shapes are known), so there is
//! nothing symbolic to solve: an operator's lowering checks its inputs' shapes, computes the output's, and emits
//! kernels. What is constant is computed on the spot, which also resolves the shape arithmetic that exporters write.

mod attention;
mod attention_mask;
mod cast;
mod control;
mod einsum;
mod elementwise;
mod emit;
mod index;
mod integer;
mod matrix;
mod norm;
mod order;
mod pool;
mod position;
mod quantise;
mod recurrent;
mod reduce;
mod resize;
mod sample;
mod scan;
mod scatter;
mod select;
mod sequence;
mod shape;
mod spatial;
mod window;

use std::collections::HashMap;

use emit::Lowerer;
pub(crate) use emit::check_size;

use crate::{Dim, Error, Graph, Node, Op, Program, Result, ValueId, passes};

impl Graph {
    /// Fixes the input shapes (one entry an input, in the graph's order) and makes an optimised program.
    ///
    /// Errors: `InvalidInput` when a shape contradicts what the graph declares (equal symbols are equal sizes);
    /// `Malformed` when shapes do not fit together inside; `Unsupported` when a parameter is not constant or an
    /// attribute has a value that Netra does not do; `Limit` when a size overflows. All name the node.
    pub fn specialise(&self, shapes: &[Vec<usize>]) -> Result<Program> {
        let mut program = self.lower(shapes)?;
        passes::optimise(&mut program);
        Ok(program)
    }

    /// As [`Graph::specialise`], without the optimising passes.
    pub fn lower(&self, shapes: &[Vec<usize>]) -> Result<Program> {
        self.check_shapes(shapes)?;
        let mut lowerer = Lowerer::new(self.weight_bytes());
        let mut inputs = Vec::with_capacity(shapes.len());
        for (&id, shape) in self.inputs.iter().zip(shapes) {
            let value = self.value(id);
            let declared = value.declared.as_ref().ok_or_else(|| {
                Error::unsupported("an input without a declared type").at(format!("input '{}'", value.name))
            })?;
            let input = lowerer.program.input(&value.name, declared.dtype, shape);
            let empty = shape.contains(&0);
            inputs.push(if empty { lowerer.constant(emit::empty(declared.dtype, shape)?) } else { input });
        }
        let outputs = lower_graph(&mut lowerer, self, &inputs)?;
        let mut named: Vec<ValueId> = Vec::with_capacity(outputs.len());
        for (&id, &output) in self.outputs.iter().zip(&outputs) {
            let output = lowerer.output(output, inputs.contains(&output) || named.contains(&output))?;
            lowerer.program.rename(output, &self.value(id).name);
            named.push(output);
        }
        Ok(lowerer.program.finish(named))
    }

    /// Compares `shapes` with what the graph declares about its inputs.
    fn check_shapes(&self, shapes: &[Vec<usize>]) -> Result<()> {
        if shapes.len() != self.inputs.len() {
            return Err(Error::invalid(format!("{} input shapes given, {} expected", shapes.len(), self.inputs.len())));
        }
        let mut symbols: HashMap<&str, usize> = HashMap::new();
        for (&id, shape) in self.inputs.iter().zip(shapes) {
            let value = self.value(id);
            let wrong = |what: String| Err(Error::invalid(what).at(format!("input '{}'", value.name)));
            check_size(shape).map_err(|e| e.at(format!("input '{}'", value.name)))?;
            let Some(declared) = &value.declared else { continue };
            if declared.shape.len() != shape.len() {
                return wrong(format!("shape {shape:?} given, {declared} expected"));
            }
            for (dim, &size) in declared.shape.iter().zip(shape) {
                match dim {
                    Dim::Known(known) if *known != size => {
                        return wrong(format!("shape {shape:?} given, {declared} expected"));
                    }
                    Dim::Symbol(name) if !name.is_empty() => {
                        let first = *symbols.entry(name).or_insert(size);
                        if first != size {
                            return wrong(format!("'{name}' is {size} here and {first} before"));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Lowers the nodes of a graph whose inputs are `inputs`, and gives its outputs.
fn lower_graph(lowerer: &mut Lowerer, graph: &Graph, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
    lowerer.spend(graph.values.len() / 8)?;
    let mut known: Vec<Option<ValueId>> = vec![None; graph.values.len()];
    for (id, &input) in graph.inputs.iter().zip(inputs) {
        known[id.index()] = Some(input);
    }
    for node in &graph.nodes {
        let place = || format!("node '{}' ({})", node.name, node.op.name());
        let mut operand = |id: ValueId| resolve(lowerer, graph, &mut known, id);
        let operands = node.inputs.iter().map(|id| id.map(&mut operand).transpose());
        let operands = operands.collect::<Result<Vec<_>>>().map_err(|e| e.at(place()))?;
        let captures = captures(&node.op).map(&mut operand).collect::<Result<Vec<_>>>().map_err(|e| e.at(place()))?;
        if !matches!(node.op, Op::Identity) {
            lowerer.settled(operands.iter().flatten().chain(&captures)).map_err(|e| e.at(place()))?;
        }
        let first = lowerer.program.value_count();
        lowerer.enter(&node.name);
        lowerer.spend(1 + (operands.len() + captures.len()) / 4).map_err(|e| e.at(place()))?;
        let results = lower_node(lowerer, node, &Inputs(&operands), &captures).map_err(|e| e.at(place()))?;
        for (id, &result) in node.outputs.iter().zip(&results) {
            let Some(id) = id else { continue };
            known[id.index()] = Some(result);
            if result.index() >= first {
                lowerer.program.rename(result, &graph.value(*id).name);
            }
        }
    }
    graph.outputs.iter().map(|&id| resolve(lowerer, graph, &mut known, id)).collect()
}

/// The program's value for a graph's value; constants join the program when they are first used.
fn resolve(lowerer: &mut Lowerer, graph: &Graph, known: &mut [Option<ValueId>], id: ValueId) -> Result<ValueId> {
    if let Some(known) = known[id.index()] {
        return Ok(known);
    }
    let value = graph.value(id);
    let Some(constant) = &value.constant else {
        let maker = graph.nodes.iter().find(|n| n.outputs.contains(&Some(id)));
        let place = maker.map_or_else(String::new, |n| format!("node '{}' ({})", n.name, n.op.name()));
        return Err(Error::unsupported(format!("'{}', an optional output that is not computed", value.name)).at(place));
    };
    let constant = lowerer.program.constant(&value.name, constant.clone());
    known[id.index()] = Some(constant);
    Ok(constant)
}

fn captures(op: &Op) -> impl Iterator<Item = ValueId> + '_ {
    let (first, second): (&[ValueId], &[ValueId]) = match op {
        Op::If { then_branch, else_branch } => (&then_branch.captures, &else_branch.captures),
        Op::Loop { body } | Op::Scan { body, .. } => (&body.captures, &[]),
        _ => (&[], &[]),
    };
    first.iter().chain(second).copied()
}

/// The inputs of a node.
struct Inputs<'a>(&'a [Option<ValueId>]);

impl Inputs<'_> {
    fn get(&self, i: usize) -> Option<ValueId> {
        self.0.get(i).copied().flatten()
    }

    fn need(&self, i: usize) -> Result<ValueId> {
        self.get(i).ok_or_else(|| Error::malformed(format!("input {i} is missing")))
    }

    fn all(&self) -> Result<Vec<ValueId>> {
        (0..self.0.len()).map(|i| self.need(i)).collect()
    }
}

/// Lowers one node. Optional outputs that Netra does not compute are left off the end of the result.
fn lower_node(lo: &mut Lowerer, node: &Node, inputs: &Inputs<'_>, captures: &[ValueId]) -> Result<Vec<ValueId>> {
    let x = || inputs.need(0);
    let one = match &node.op {
        Op::Conv { window, group } => spatial::conv(lo, inputs, window, *group),
        Op::ConvTranspose { window, group, output_padding, output_shape } => {
            let sizes = (output_padding.as_deref(), output_shape.as_deref());
            spatial::conv_transpose(lo, inputs, window, *group, sizes)
        }
        Op::MaxPool { window, ceil_mode, column_major } => {
            let y = pool::max(lo, x()?, window, *ceil_mode)?;
            if node.outputs.get(1).is_none_or(Option::is_none) {
                return Ok(vec![y]);
            }
            return Ok(vec![y, pool::max_indices(lo, x()?, window, *ceil_mode, *column_major)?]);
        }
        Op::AveragePool { window, ceil_mode, count_include_pad } => {
            pool::average(lo, x()?, window, *ceil_mode, *count_include_pad)
        }
        Op::GlobalAveragePool => pool::global(lo, x()?, crate::Reduction::Mean),
        Op::GlobalMaxPool => pool::global(lo, x()?, crate::Reduction::Max),
        Op::BatchNormalization { epsilon } => norm::batch(lo, inputs, *epsilon),
        Op::InstanceNormalization { epsilon } => norm::instance(lo, inputs, *epsilon),
        Op::GroupNormalization { num_groups, epsilon, per_group } => {
            norm::group(lo, inputs, *num_groups, *epsilon, *per_group)
        }
        Op::LayerNormalization { axis, epsilon } => {
            let y = norm::layer(lo, inputs, *axis, *epsilon)?;
            if node.outputs.iter().skip(1).all(Option::is_none) {
                return Ok(vec![y]);
            }
            let [mean, inverse] = norm::layer_moments(lo, x()?, *axis, *epsilon)?;
            return Ok(vec![y, mean, inverse]);
        }
        Op::RmsNormalization { axis, epsilon } => norm::rms(lo, x()?, inputs.need(1)?, *axis, *epsilon),
        Op::BatchNormalizationTraining { epsilon, momentum } => {
            return norm::batch_training(lo, inputs, *epsilon, *momentum);
        }
        Op::LpNormalization { axis, p } => norm::lp(lo, x()?, *axis, *p),
        Op::MeanVarianceNormalization { axes } => norm::mean_variance(lo, x()?, axes),
        Op::Lrn { alpha, beta, bias, size } => norm::local_response(lo, x()?, (*alpha, *beta, *bias), *size),
        Op::LpPool { window, ceil_mode, p } => pool::lp(lo, x()?, window, *ceil_mode, *p),
        Op::GlobalLpPool { p } => pool::global_lp(lo, x()?, *p),
        Op::MaxUnpool { window } => sample::max_unpool(lo, inputs, window),
        Op::GridSample(p) => sample::grid_sample(lo, x()?, inputs.need(1)?, *p),
        Op::AffineGrid { align_corners } => sample::affine_grid(lo, x()?, inputs.need(1)?, *align_corners),
        Op::Col2Im { window } => sample::col2im(lo, inputs, window),
        Op::DeformConv { window, group, offset_group } => {
            let groups = sample::Groups { weight: *group, offset: *offset_group };
            sample::deform_conv(lo, inputs, window, groups)
        }
        Op::RoiAlign { align, output_height, output_width } => {
            sample::roi_align(lo, inputs, *align, (*output_height, *output_width))
        }
        Op::Det => matrix::determinant(lo, x()?),
        Op::Attention(attributes) => return attention::attention(lo, inputs, attributes),
        Op::RotaryEmbedding { interleaved, num_heads, rotary_embedding_dim } => {
            attention::rotary(lo, inputs, *interleaved, *num_heads, *rotary_embedding_dim)
        }
        Op::SwiGlu { alpha } => {
            let (gate, value) = (x()?, inputs.need(1)?);
            let gate = elementwise::swish(lo, gate, *alpha)?;
            lo.binary(crate::Binary::Mul, gate, value)
        }
        Op::QuantizeLinear { axis, block_size, output_dtype, narrow, saturate } => {
            let to = quantise::Target { dtype: *output_dtype, narrow: *narrow, saturate: *saturate };
            quantise::quantize(lo, inputs, *axis, *block_size, to)
        }
        Op::DequantizeLinear { axis, block_size } => quantise::dequantize(lo, inputs, *axis, *block_size),
        Op::DynamicQuantizeLinear => return quantise::dynamic_quantize(lo, x()?),
        Op::QLinearConv { window, group } => quantise::conv(lo, inputs, window, *group),
        Op::ConvInteger { window, group } => {
            integer::conv(lo, [x()?, inputs.need(1)?], [inputs.get(2), inputs.get(3)], window, *group)
        }
        Op::QLinearMatMul => quantise::mat_mul(lo, inputs),
        Op::MatMulInteger => integer::mat_mul(lo, [x()?, inputs.need(1)?], [inputs.get(2), inputs.get(3)]),
        Op::Recurrent(layer) => {
            let whole = node.outputs.first().is_some_and(Option::is_some);
            return recurrent::recurrent(lo, inputs, layer, whole);
        }
        Op::Gemm { alpha, beta, trans_a, trans_b } => matrix::gemm(lo, inputs, (*alpha, *beta), (*trans_a, *trans_b)),
        Op::MatMul => matrix::mat_mul(lo, x()?, inputs.need(1)?),
        Op::Einsum { equation } => einsum::einsum(lo, inputs, equation),
        Op::Softmax { axis, log, flatten } => norm::softmax(lo, x()?, *axis, *log, *flatten),
        Op::Unary(op) => elementwise::unary(lo, x()?, *op),
        Op::Binary(op) => elementwise::binary(lo, *op, x()?, inputs.need(1)?),
        Op::Variadic(op) => elementwise::variadic(lo, &inputs.all()?, *op),
        Op::Celu { alpha } => elementwise::celu(lo, x()?, *alpha),
        Op::ThresholdedRelu { alpha } => elementwise::thresholded_relu(lo, x()?, *alpha),
        Op::Swish { alpha } => elementwise::swish(lo, x()?, *alpha),
        Op::Clip => elementwise::clip(lo, inputs),
        Op::Where => elementwise::select(lo, inputs),
        Op::Reduce { reduction, log, keepdims, noop_with_empty_axes } => {
            reduce::reduce(lo, inputs, (*reduction, *log), *keepdims, *noop_with_empty_axes)
        }
        Op::ArgMax { axis, keepdims, select_last_index, smallest } => {
            reduce::arg_max(lo, x()?, *axis, *keepdims, *select_last_index, *smallest)
        }
        Op::Cumulative { product, exclusive, reverse } => {
            order::cumulative(lo, inputs, (*product, *exclusive, *reverse))
        }
        Op::Concat { axis } => index::concat(lo, &inputs.all()?, *axis),
        Op::Split { axis, num_outputs } => {
            let parts = node.outputs.len();
            if num_outputs.is_some_and(|n| n != parts) {
                return Err(Error::malformed(format!("num_outputs of a node with {parts} outputs")));
            }
            return index::split(lo, inputs, *axis, parts);
        }
        Op::Slice => index::slice(lo, inputs),
        Op::Gather { axis } => index::gather(lo, x()?, inputs.need(1)?, *axis),
        Op::GatherElements { axis } => select::gather_elements(lo, inputs, *axis),
        Op::GatherNd { batch_dims } => select::gather_nd(lo, inputs, *batch_dims),
        Op::ScatterElements { axis, combine } => select::scatter_elements(lo, inputs, *axis, *combine),
        Op::ScatterNd { combine } => select::scatter_nd(lo, inputs, *combine),
        Op::TensorScatter { axis, circular } => select::tensor_scatter(lo, inputs, *axis, *circular),
        Op::TopK { axis, largest } => return order::top_k(lo, inputs, *axis, *largest),
        Op::NonMaxSuppression { center_point_box } => order::non_max_suppression(lo, inputs, *center_point_box),
        Op::NonZero => select::non_zero(lo, x()?),
        Op::Compress { axis } => select::compress(lo, inputs, *axis),
        Op::Unique { axis, sorted } => return order::unique(lo, x()?, *axis, *sorted),
        Op::Trilu { upper } => position::trilu(lo, inputs, *upper),
        Op::OneHot { axis } => position::one_hot(lo, inputs, *axis),
        Op::EyeLike { dtype, k } => position::eye_like(lo, x()?, *dtype, *k),
        Op::Hardmax { axis, flatten } => position::hardmax(lo, x()?, *axis, *flatten),
        Op::Shrink { bias, lambd } => elementwise::shrink(lo, x()?, *bias, *lambd),
        Op::CenterCropPad { axes } => index::center_crop_pad(lo, inputs, axes.as_deref()),
        Op::ReverseSequence { batch_axis, time_axis } => sequence::reverse(lo, inputs, *batch_axis, *time_axis),
        Op::Transpose { perm } => shape::transpose(lo, x()?, perm.as_deref()),
        Op::Reshape { allowzero } => shape::reshape(lo, inputs, *allowzero),
        Op::Flatten { axis } => shape::flatten(lo, x()?, *axis),
        Op::Squeeze => shape::squeeze(lo, inputs),
        Op::Unsqueeze => shape::unsqueeze(lo, inputs),
        Op::Expand => shape::expand(lo, inputs),
        Op::Tile => shape::tile(lo, inputs),
        Op::Pad { mode } => index::pad(lo, inputs, *mode),
        Op::Resize { mode, coordinates, axes, legacy, options } => {
            resize::resize(lo, inputs, (*mode, *coordinates), axes.as_deref(), *legacy, options)
        }
        Op::DepthToSpace { blocksize, crd } => shape::depth_to_space(lo, x()?, *blocksize, *crd),
        Op::SpaceToDepth { blocksize, crd } => shape::space_to_depth(lo, x()?, *blocksize, *crd),
        Op::Cast { to, narrow, how } => cast::cast(lo, x()?, *to, *narrow, *how),
        Op::CastLike { narrow, how } => {
            let to = lo.dtype(inputs.need(1)?);
            cast::cast(lo, x()?, to, *narrow, *how)
        }
        Op::BitCast { to } => cast::bit_cast(lo, x()?, *to),
        Op::Shape { start, end } => shape::shape_of(lo, x()?, *start, *end),
        Op::Size => shape::size_of(lo, x()?),
        Op::ConstantOfShape { value } => shape::constant_of_shape(lo, x()?, value),
        Op::Range => shape::range(lo, inputs),
        Op::CosineWindow { taper, periodic, dtype } => position::cosine_window(lo, x()?, *taper, *periodic, *dtype),
        Op::Identity => x(),
        Op::Dropout { bool_mask } => return elementwise::dropout(lo, inputs, node.outputs.len(), *bool_mask),
        Op::If { then_branch, else_branch } => return control::if_(lo, x()?, then_branch, else_branch, captures),
        Op::Loop { body } => return control::loop_(lo, inputs, body, captures),
        Op::Scan { body, lines } => return scan::scan(lo, inputs, body, lines, captures),
    };
    one.map(|id| vec![id])
}
