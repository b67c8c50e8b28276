//! A batch over several devices gives what one device gives, whatever happens to some of them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use netra::graph::{
    Backend, CompileOptions, DeviceInfo, Error, Executable, MemoryPlan, Program, Result, RunFuture, TensorView,
    Unsupported,
};
use netra::{Chosen, Device, Engine, ErrorKind, Event, Finding, Findings, Model, Scan, spread};

/// The cpu backend, slower by `delay` a run, and broken after so many of them.
struct Frail {
    inner: Arc<dyn Backend>,
    delay: Duration,
    left: Arc<AtomicUsize>,
}

struct FrailExecutable {
    inner: Box<dyn Executable>,
    delay: Duration,
    left: Arc<AtomicUsize>,
}

impl Backend for Frail {
    fn name(&self) -> &str {
        "frail"
    }
    fn device(&self) -> &DeviceInfo {
        self.inner.device()
    }
    fn unsupported(&self, program: &Program) -> Vec<Unsupported> {
        self.inner.unsupported(program)
    }
    fn compile(&self, program: Arc<Program>, options: &CompileOptions<'_>) -> Result<Box<dyn Executable>> {
        let inner = self.inner.compile(program, options)?;
        Ok(Box::new(FrailExecutable { inner, delay: self.delay, left: self.left.clone() }))
    }
}

impl Executable for FrailExecutable {
    fn program(&self) -> &Program {
        self.inner.program()
    }
    fn plan(&self) -> MemoryPlan {
        self.inner.plan()
    }
    fn submit<'a>(&'a self, inputs: &[TensorView<'_>]) -> RunFuture<'a> {
        std::thread::sleep(self.delay);
        let one_less = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => self.inner.submit(inputs),
            Err(_) => Box::pin(std::future::ready(Err(Error::new(netra::graph::ErrorKind::Backend, "it broke")))),
        }
    }
}

fn cpu() -> Engine {
    Model::lung_fields().expect("built in").on(Device::Cpu).expect("the cpu is always there")
}

fn frail(runs: usize, milliseconds: u64) -> Engine {
    let inner = Device::Cpu.open().expect("the cpu is always there").backend;
    let delay = Duration::from_millis(milliseconds);
    let backend = Arc::new(Frail { inner, delay, left: Arc::new(AtomicUsize::new(runs)) });
    let chosen = Chosen { backend, name: format!("frail {runs}"), why: "a test".into() };
    Model::lung_fields().expect("built in").with(chosen).expect("it fits")
}

/// Simulated radiographs, no two alike, and the folder that they are read from.
fn films(count: u64) -> (Vec<Scan>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for seed in 1..=count {
        netra::phantom::write_chest_radiograph(&folder.path().join(format!("{seed}.dcm")), seed).expect("written");
    }
    (netra::open(folder.path()).expect("readable").scans, folder)
}

/// What a batch came to.
#[derive(Default)]
struct Batch {
    /// By the case's place: the device that it ran on and what was found, or the error.
    done: BTreeMap<usize, netra::Result<(String, Findings)>>,
    /// The engines that were retired.
    retired: Vec<usize>,
}

impl Batch {
    fn run(engines: &[Engine], scans: &[Scan]) -> Self {
        Self::of(engines, scans.len(), |engine, i| Ok(engine.run(&scans[i])?.remove(0).findings))
    }

    fn of(engines: &[Engine], cases: usize, work: impl Fn(&Engine, usize) -> netra::Result<Findings> + Sync) -> Self {
        let mut batch = Self::default();
        let work = |engine: &Engine, &i: &usize| Ok((engine.device().to_owned(), work(engine, i)?));
        spread(engines, 0..cases, work, |event| match event {
            Event::Retired { engine, why } => {
                assert!(why.contains("it broke"), "{why}");
                batch.retired.push(engine);
            }
            Event::Done { case, result } => assert!(batch.done.insert(case, result).is_none(), "{case} twice"),
        });
        assert!(batch.done.keys().copied().eq(0..cases), "{:?}", batch.done.keys());
        batch
    }

    fn ran_on(&self, device: &str) -> usize {
        self.done.values().filter(|result| result.as_ref().is_ok_and(|(on, _)| on == device)).count()
    }

    fn errors(&self) -> Vec<&netra::Error> {
        self.done.values().filter_map(|result| result.as_ref().err()).collect()
    }
}

fn labels(result: &netra::Result<(String, Findings)>) -> Vec<u16> {
    match &result.as_ref().expect("done").1.finding {
        Finding::Segmentation { labels, .. } => labels.labels().iter().copied().collect(),
        _ => panic!("a segmentation"),
    }
}

/// The same as on one device, bit for bit.
fn same(batch: &Batch, scans: &[Scan]) {
    let alone = Batch::run(&[cpu()], scans);
    assert!(alone.errors().is_empty() && alone.retired.is_empty());
    let all: Vec<_> = alone.done.values().map(labels).collect();
    assert!(all.iter().skip(1).all(|other| *other != all[0]), "films that could be mistaken for each other");
    assert_eq!(batch.done.values().map(labels).collect::<Vec<_>>(), all);
}

#[test]
fn each_case_is_done_once_and_as_on_one_device() {
    let (scans, _folder) = films(4);
    same(&Batch::run(&[cpu(), cpu(), cpu()], &scans), &scans);
    same(&Batch::run(&[cpu(), cpu()], &scans[..1]), &scans[..1]);
}

#[test]
fn a_slow_device_gets_fewer() {
    let (scans, _folder) = films(2);
    let engines = [frail(usize::MAX, 1500), cpu()];
    let batch = Batch::of(&engines, 8, |engine, i| Ok(engine.run(&scans[i % 2])?.remove(0).findings));
    let (slow, fast) = (batch.ran_on(engines[0].device()), batch.ran_on("cpu"));
    assert_eq!(slow + fast, 8);
    assert!(slow >= 1 && slow < fast, "{slow} and {fast}");
}

#[test]
fn a_device_that_breaks_is_retired_and_its_case_goes_to_another() {
    let (scans, _folder) = films(3);
    // In its first run, when the other device has done the rest and waits; and in its second, while the other is at work.
    for (runs, engines) in [(0, [frail(0, 800), cpu()]), (1, [frail(1, 0), frail(usize::MAX, 1500)])] {
        let batch = Batch::run(&engines, &scans);
        assert_eq!(batch.retired, [0]);
        assert_eq!([batch.ran_on(engines[0].device()), batch.ran_on(engines[1].device())], [runs, scans.len() - runs]);
        same(&batch, &scans);
    }
}

#[test]
fn without_any_device_each_case_fails_with_the_reason() {
    let (scans, _folder) = films(2);
    let batch =
        Batch::of(&[frail(0, 0), frail(0, 100)], 6, |engine, i| Ok(engine.run(&scans[i % 2])?.remove(0).findings));
    assert_eq!(batch.retired.len(), 2);
    let errors = batch.errors();
    assert_eq!(errors.len(), 6);
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Backend && error.to_string().contains("it broke")));
    let left_over = errors.iter().filter(|error| error.to_string().contains("no device is left")).count();
    assert!((3..=5).contains(&left_over), "{errors:?}");
    let none = Batch::of(&[], 2, |_, _| unreachable!("no device"));
    assert!(none.errors().iter().all(|error| error.kind() == ErrorKind::Backend));
}

#[test]
fn what_is_wrong_with_a_case_retires_no_device() {
    let (scans, _folder) = films(1);
    for kind in [ErrorKind::Malformed, ErrorKind::Limit, ErrorKind::Backend] {
        let batch = Batch::of(&[cpu(), cpu()], 5, |engine, i| match i {
            2 => Err(netra::Error::new(kind, "it broke by itself")),
            _ => Ok(engine.run(&scans[0])?.remove(0).findings),
        });
        assert!(batch.retired.is_empty());
        let failed: Vec<usize> = batch.done.iter().filter(|(_, result)| result.is_err()).map(|(&i, _)| i).collect();
        assert_eq!(failed, [2]);
        assert_eq!(batch.errors()[0].kind(), kind);
    }
}

#[test]
fn a_panic_is_passed_on_and_nothing_waits_for_it() {
    let engines = [cpu(), cpu()];
    let run = || Batch::of(&engines, 3, |_, i| panic!("case {i}"));
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
}

/// Both kinds of backend at once, where there is any adapter.
#[test]
fn each_result_names_the_device_that_it_ran_on() {
    let (scans, _folder) = films(2);
    let devices = match netra::adapters().first() {
        Some(adapter) => format!("cpu,wgpu:{}", adapter.index),
        None => "cpu,cpu".to_owned(),
    };
    let open = devices.parse::<netra::Devices>().expect("names").open().expect("all come up");
    let model = Model::lung_fields().expect("built in");
    let engines: Vec<Engine> = open.into_iter().map(|chosen| model.with(chosen).expect("it fits")).collect();
    assert_eq!(engines.iter().map(Engine::device).collect::<Vec<_>>().join(","), devices);
    // Each device waits until the other has a case, too.
    let both = std::sync::Barrier::new(2);
    let batch = Batch::of(&engines, 2, |engine, _| {
        both.wait();
        Ok(engine.run(&scans[0])?.remove(0).findings)
    });
    for engine in &engines {
        let backend = engine.pipeline().network().backend();
        let found = batch.done.values().flatten().find(|(device, _)| device == engine.device());
        let identity = &found.expect("one case each").1.backend;
        assert_eq!((identity.name.as_str(), &identity.device), (backend.name(), &backend.device().name));
    }
    // Two backends may round a probability at the threshold to either side.
    let (a, b) = (labels(&batch.done[&0]), labels(&batch.done[&1]));
    assert!(a.iter().zip(&b).filter(|(a, b)| a != b).count() <= 8);
}
