//! Hostile PyTorch files: nothing is executed, and any bytes give tensors or a typed error in bounded time and memory.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod measure;
mod pickles;

use measure::{Worst, alone, bounded, mutant};
use netra_graph::{ErrorKind, StateDict, pytorch};
use pickles::{Pickle, archive, bytes, legacy, pickle, stream, zip, zip_claiming};

const ONE: (&str, &[f32]) = ("0", &[1.0, 2.0, 3.0, 4.0]);

#[track_caller]
fn refused(file: &[u8], kind: ErrorKind, words: &str) {
    let error = bounded(file.len(), || pytorch::from_bytes(file)).expect_err("a hostile file was accepted");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.to_string().len() < 2000, "{error}");
}

/// Both containers around a pickle, with a storage where it speaks of one.
#[track_caller]
fn refused_everywhere(object: &[u8], kind: ErrorKind, words: &str) {
    let speaks = object.windows(7).any(|w| w == b"Storage");
    let storages = if speaks { &[ONE][..] } else { &[] };
    refused(&archive(object, storages), kind, words);
    refused(&legacy(object, storages), kind, words);
}

fn weight(p: Pickle) -> Pickle {
    p.tensor("0", 4, 0, &[4], &[1])
}

fn state() -> Pickle {
    weight(pickle().raw(b"}").text("w")).raw(b"s")
}

#[test]
fn names_outside_the_allow_list_are_never_run_and_hide_no_tensor() {
    let _alone = alone();
    let evil = |module: &str, name: &str| {
        let calls: [fn(Pickle) -> Pickle; 3] = [
            |p| weight(p.raw(b"(")).raw(b"tR"),
            |p| weight(p.raw(b"(")).raw(b"t\x81"),
            |p| weight(p.raw(b"(")).raw(b"t}\x92"),
        ];
        let named = format!("{module}.{name}");
        for call in calls {
            // As the whole, as an entry of a state dict, and below one more call.
            let whole = call(pickle().global(module, name)).end();
            let entry = call(pickle().raw(b"}").text("w").global(module, name)).raw(b"s").end();
            let deeper = call(pickle().raw(b"}").text("w").global("a", "b").raw(b"(").global(module, name));
            refused_everywhere(&whole, ErrorKind::Unsupported, &named);
            refused_everywhere(&entry, ErrorKind::Unsupported, &named);
            refused_everywhere(&deeper.raw(b"tRs").end(), ErrorKind::Unsupported, "a.b");
        }
        let inst = weight(pickle().raw(b"}").text("w").raw(b"("));
        let inst = inst.raw(b"i").raw(module.as_bytes()).raw(b"\n").raw(name.as_bytes()).raw(b"\n");
        refused_everywhere(&inst.raw(b"s").end(), ErrorKind::Unsupported, &named);
        let obj = weight(pickle().raw(b"}").text("w").raw(b"(").global(module, name)).raw(b"os");
        refused_everywhere(&obj.end(), ErrorKind::Unsupported, &named);
        let built = weight(pickle().raw(b"}").text("w").global(module, name).raw(b")\x81}").text("x")).raw(b"sbs");
        refused_everywhere(&built.end(), ErrorKind::Unsupported, &named);
        let appended = weight(pickle().raw(b"}").text("w").global(module, name).raw(b")R")).raw(b"as");
        refused_everywhere(&appended.end(), ErrorKind::Unsupported, &named);
        let set = weight(pickle().raw(b"}").text("w").global(module, name).raw(b")R").text("k")).raw(b"ss");
        refused_everywhere(&set.end(), ErrorKind::Unsupported, &named);
    };
    evil("os", "system");
    evil("posix", "system");
    evil("builtins", "eval");
    evil("builtins", "getattr");
    evil("torch.hub", "load");
    evil("torch._utils", "_rebuild_qtensor");
    // As the class of a storage, as the storage itself, and as what rebuilds a subclass.
    let storage =
        |p: Pickle| p.raw(b"(").text("storage").global("os", "system").text("0").text("cpu").int(4).raw(b"tQ");
    refused_everywhere(&storage(pickle()).end(), ErrorKind::Unsupported, "os.system");
    let over = pickle().global("torch._utils", "_rebuild_tensor_v2").raw(b"(").global("os", "system").raw(b")R");
    let over = over.int(0).ints(&[4]).ints(&[1]).raw(b"\x89}tR");
    refused_everywhere(&over.end(), ErrorKind::Unsupported, "os.system");
    let subclass = pickle().global("torch._tensor", "_rebuild_from_type_v2").raw(b"(").global("os", "system");
    refused_everywhere(&subclass.raw(b"N)NtR").end(), ErrorKind::Unsupported, "os.system");
    // A stacked name, as protocol 4 writes it.
    let stacked = weight(pickle().raw(b"}").text("w").text("os").text("system").raw(b"\x93(")).raw(b"tRs");
    refused_everywhere(&stacked.end(), ErrorKind::Unsupported, "os.system");
    // A call of a call.
    let call = weight(pickle().raw(b"}").text("w").global("os", "getenv").raw(b")R(")).raw(b"tRs");
    refused_everywhere(&call.end(), ErrorKind::Unsupported, "a call of no name");
}

#[test]
fn beside_the_weights_they_are_listed() {
    let _alone = alone();
    let beside = state().text("extra").global("os", "system").raw(b"(").text("rm -rf /").raw(b"tRs").end();
    let checkpoint = pytorch::from_bytes_with(&archive(&beside, &[ONE]), &Default::default()).unwrap();
    assert_eq!(checkpoint.skipped, ["extra (os.system)"]);
    assert_eq!(checkpoint.tensors.keys().collect::<Vec<_>>(), ["w"]);
}

#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "sizes of more than 32 bits are refused there for another reason")]
fn claims_meet_the_bytes_that_are_there() {
    let _alone = alone();
    let malformed = |object: Vec<u8>, words: &str| refused_everywhere(&object, ErrorKind::Malformed, words);
    let tensor = |elements, offset, shape: &[i64], strides: &[i64]| {
        pickle().raw(b"}").text("w").tensor("0", elements, offset, shape, strides).raw(b"s").end()
    };
    let huge = [1 << 62, 1 << 62];
    malformed(tensor(4, 0, &[5], &[1]), "reach out of the 16 bytes of storage '0'");
    malformed(tensor(4, 1, &[4], &[1]), "reach out");
    malformed(tensor(4, i64::MAX, &[1], &[1]), "reach out");
    malformed(tensor(4, 0, &[2], &[i64::MAX]), "reach out");
    malformed(tensor(4, 0, &[3, 3], &[i64::MAX, i64::MAX]), "reach out");
    malformed(tensor(4, -1, &[1], &[1]), "other arguments");
    malformed(tensor(4, 0, &[-1], &[1]), "other arguments");
    malformed(tensor(4, 0, &[4], &[-1]), "other arguments");
    malformed(tensor(4, 0, &[4], &[1, 1]), "sizes [4] and strides [1, 1]");
    malformed(tensor(i64::MAX, 0, &[4], &[1]), "storage of");
    malformed(tensor(-1, 0, &[4], &[1]), "storage of -1 elements");
    malformed(tensor(1 << 40, 0, &[4], &[1]), "claims more than the 16 bytes it has");
    refused_everywhere(&tensor(4, 0, &huge, &[0, 0]), ErrorKind::Limit, "a tensor of shape");
    refused_everywhere(&tensor(4, 0, &[1 << 40], &[0]), ErrorKind::Limit, "memory");
    refused_everywhere(&tensor(4, 0, &[1 << 24], &[0]), ErrorKind::Limit, "memory");
    refused_everywhere(&tensor(4, 0, &[1; 65], &[1; 65]), ErrorKind::Limit, "65 axes");
    // Many views of one storage, each small enough.
    let many =
        (0..400).fold(pickle().raw(b"}"), |p, i| p.text(&i.to_string()).tensor("0", 4, 0, &[1 << 18], &[0]).raw(b"s"));
    refused_everywhere(&many.end(), ErrorKind::Limit, "memory");
    // A size of 0 with anything else is empty.
    let empty = tensor(4, 9, &[0, 1 << 30], &[7, 7]);
    let read: StateDict = bounded(empty.len(), || pytorch::from_bytes(&archive(&empty, &[ONE])).unwrap());
    assert_eq!(read["w"].shape(), [0, 1 << 30]);
    // Storages that are not there, or are there twice.
    let other = pickle().raw(b"}").text("w").tensor("9", 4, 0, &[4], &[1]).raw(b"s").end();
    refused(&archive(&other, &[ONE]), ErrorKind::Malformed, "no storage '9'");
    refused(&legacy(&other, &[("9", ONE.1), ("9", ONE.1)]), ErrorKind::Malformed, "storage '9' is there twice");
    refused(&legacy(&other, &[ONE]), ErrorKind::Malformed, "storage '0' belongs to no tensor");
    let escape = pickle().raw(b"}").text("w").tensor("../../x", 4, 0, &[4], &[1]).raw(b"s").end();
    refused(&archive(&escape, &[ONE]), ErrorKind::Malformed, "no storage '../../x'");
    for count in [5i64, -1, 1 << 61, i64::MAX, i64::MIN] {
        let mut file = stream(&state().end(), &["0"], true);
        file.extend([count.to_le_bytes().to_vec(), bytes(ONE.1)].concat());
        refused(&file, ErrorKind::Malformed, "storage '0' is cut off");
    }
}

#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "sizes of more than 32 bits are refused there for another reason")]
fn lengths_in_the_pickle_are_checked() {
    let _alone = alone();
    let claims: [&[u8]; 9] = [
        b"\x8b\xff\xff\xff\x7f",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x96\x00\x00\x00\x00\x01\x00\x00\x00",
        b"X\xff\xff\xff\xff",
        b"B\xff\xff\xff\xff",
        b"T\xff\xff\xff\xff",
        b"\x8c\xff",
        b"\x8a\xff",
    ];
    for claim in claims {
        refused_everywhere(&pickle().raw(claim).raw(b"xyz.").0, ErrorKind::Malformed, "claims");
    }
    let frame = pickle().raw(b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f.").0;
    refused_everywhere(&frame, ErrorKind::Malformed, "a frame of");
    refused_everywhere(&pickle().raw(b"X\x01\0\0\0\xff.").0, ErrorKind::Malformed, "UTF-8");
    refused_everywhere(&pickle().raw(b"cos\nsystem").0, ErrorKind::Malformed, "pickle");
    let unknown: [(u8, &str); 6] =
        [(0xff, "0xff"), (0, "0x00"), (b'I', "INT"), (b'P', "PERSID"), (0x82, "EXT1"), (0x97, "NEXT_BUFFER")];
    for (opcode, name) in unknown {
        refused_everywhere(&pickle().raw(&[opcode]).end(), ErrorKind::Unsupported, &format!("pickle opcode {name}"));
    }
    for protocol in [0, 1, 6, 255] {
        refused(&archive(&[0x80, protocol, b'N', b'.'], &[]), ErrorKind::Unsupported, "pickle protocol");
    }
}

#[test]
fn a_stack_that_is_misused_is_malformed() {
    let _alone = alone();
    let misused: [&[u8]; 22] = [
        b"", b"0", b"t", b"u", b"e", b"s", b"a", b"R", b"b", b"q\0", b"h\0", b"Q", b"2", b"\x93", b"\x85", b"\x81",
        b"\x92", b"N(s", b"NNs", b"}(Nu", b"NNb", b"(o",
    ];
    for code in misused {
        refused_everywhere(&pickle().raw(code).end(), ErrorKind::Malformed, "of the pickle");
    }
    let all = [state().end(), b"N".to_vec()].concat();
    refused(&archive(&all, &[ONE]), ErrorKind::Malformed, "after the end");
}

#[test]
fn bombs_are_bounded() {
    let _alone = alone();
    // Doubling through the memo: 2^60 entries if it were copied, or walked path by path.
    let lists =
        (0..60u8).fold(pickle().raw(b"]q\0"), |p, i| p.raw(&[b'0', b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'e']));
    refused_everywhere(&lists.end(), ErrorKind::Unsupported, "without tensors");
    let dicts = (0..60u8).fold(state().raw(b"q\0"), |p, i| {
        p.raw(&[b'0', b'}', b'q', i + 1, b'(']).text("a").raw(&[b'h', i]).text("b").raw(&[b'h', i, b'u'])
    });
    refused_everywhere(&dicts.end(), ErrorKind::Limit, "");
    // Deeper than any recursion could go, and rings.
    let deep = (0..100_000).fold(pickle(), |p, _| p.raw(b"]")).raw(&b"a".repeat(99_999));
    refused_everywhere(&deep.end(), ErrorKind::Unsupported, "without tensors");
    let deep = (0..100_000).fold(state(), |p, _| p.raw(b"q\0}").text("k").raw(b"h\0s"));
    refused_everywhere(&deep.end(), ErrorKind::Limit, "inside each other");
    refused_everywhere(&state().raw(b"q\0").text("me").raw(b"h\0s").end(), ErrorKind::Limit, "inside each other");
    refused_everywhere(&pickle().raw(b"]q\0h\0a").end(), ErrorKind::Unsupported, "without tensors");
    // Marks, values, memo entries, objects, parts and names without end.
    let long = |piece: &[u8], times: usize| pickle().raw(&piece.repeat(times)).end();
    refused_everywhere(&long(b"(", 1 << 20), ErrorKind::Limit, "marks");
    refused_everywhere(&long(b"N", 1 << 20), ErrorKind::Limit, "values");
    refused_everywhere(&long(b"]0", 1 << 22), ErrorKind::Limit, "memory");
    let memo = (0..1u32 << 20).fold(pickle().raw(b"N"), |p, i| p.raw(b"r").raw(&(i << 12).to_le_bytes()));
    refused_everywhere(&memo.end(), ErrorKind::Limit, "memory");
    refused_everywhere(&pickle().raw(b"]").raw(&b"Na".repeat(1 << 21)).end(), ErrorKind::Limit, "memory");
    let wide = pickle().raw(b"(").raw(&b"N".repeat(200_000)).raw(b"tq\0").global("a", "b").raw(b"q\x01");
    refused_everywhere(&wide.raw(&b"h\x01h\0R".repeat(10_000)).end(), ErrorKind::Limit, "memory");
    let name = "x".repeat(1 << 20);
    let named = (0..8).fold(state(), |p, i| p.raw(&[b'q', i]).raw(b"}").text(&name).raw(&[b'h', i, b's']));
    let file = archive(&named.end(), &[ONE]);
    let long_names = bounded(file.len(), || pytorch::from_bytes(&file));
    assert!(long_names.is_ok_and(|tensors| tensors.keys().all(|name| name.len() > 8 << 20)));
    let calls = (0..100_000).fold(pickle().global("os", "system").raw(b"q\0"), |p, _| p.raw(b"\x85h\0\x86")).end();
    refused_everywhere(&calls, ErrorKind::Unsupported, "without tensors");
}

#[test]
fn zip_directories_that_lie_are_refused() {
    let _alone = alone();
    let object = state().end();
    let (pkl, data, raw) = ("a/data.pkl", "a/data/0", bytes(ONE.1));
    refused(&zip(&[(pkl, &object), (data, &raw), (data, &raw)]), ErrorKind::Malformed, "two entries 'a/data/0'");
    refused(&zip(&[(pkl, &object), (pkl, &object)]), ErrorKind::Malformed, "two entries 'a/data.pkl'");
    let deflated = zip_claiming(&[(pkl, &object, 0, object.len() as u32), (data, &raw, 8, u32::MAX - 1)]);
    refused(&deflated, ErrorKind::Unsupported, "compressed zip entry");
    let claims = zip_claiming(&[(data, &raw, 0, 1 << 30), (pkl, &object, 0, object.len() as u32)]);
    refused(&claims, ErrorKind::Malformed, "cut off");
    let short = zip_claiming(&[(pkl, &object, 0, object.len() as u32), (data, &raw, 0, 8)]);
    refused(&short, ErrorKind::Malformed, "two sizes");
    let good = zip(&[(pkl, &object), (data, &raw)]);
    assert!(pytorch::from_bytes(&good).is_ok());
    let end = good.len() - 22;
    let lie = |at: usize, with: &[u8]| {
        let mut file = good.clone();
        file[at..at + with.len()].copy_from_slice(with);
        refused(&file, ErrorKind::Malformed, "zip");
    };
    lie(end + 10, &[0xff, 0xff]);
    lie(end + 12, &[0xff; 4]);
    lie(end + 16, &[0xff; 4]);
    lie(end + 20, &[9]);
    lie(26, &[0xff]);
    // The wide end record points out of the file, or at something else.
    for target in [0u64, u64::MAX, 30] {
        let mut file = good[..end].to_vec();
        file.extend(b"PK\x06\x07\0\0\0\0");
        file.extend(target.to_le_bytes());
        file.extend([1, 0, 0, 0]);
        file.extend(&good[end..]);
        refused(&file, ErrorKind::Malformed, "cut off or its directory is wrong");
    }
    let names: Vec<String> = (0..60_000).map(|i| i.to_string()).collect();
    let empty: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), [].as_slice())).collect();
    refused(&zip(&empty), ErrorKind::Malformed, "without data.pkl");
}

#[test]
fn files_cut_anywhere_are_refused() {
    let _alone = alone();
    for file in [archive(&state().end(), &[ONE]), legacy(&state().end(), &[ONE])] {
        assert!(pytorch::from_bytes(&file).is_ok());
        for end in 0..file.len() {
            let error = pytorch::from_bytes(&file[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "cut at {end}: {error}");
        }
    }
}

/// Files with something of everything: nested dictionaries, calls, a list, both classes of storages.
fn samples() -> [Vec<u8>; 2] {
    let inner = weight(pickle().raw(b"}(").text("epoch").int(3).text("state_dict").raw(b"}q\x07(").text("module.w"));
    let inner = inner.text("module.b").tensor("1", 6, 1, &[2, 2], &[1, 2]).raw(b"u").text("optimizer");
    let inner = inner.raw(b"}(").text("state").raw(b"}").text("param_groups").raw(b"](NK\x01e").raw(b"u").text("args");
    let object = inner.global("argparse", "Namespace").raw(b")\x81}").text("a").text("b").raw(b"sbu").end();
    let storages: [(&str, &[f32]); 2] = [ONE, ("1", &[5.0; 6])];
    let files = [archive(&object, &storages), legacy(&object, &storages)];
    for file in &files {
        let read = pytorch::from_bytes(file).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["b", "w"]);
    }
    files
}

fn mutants(count: usize) -> (Worst, usize) {
    let files = samples();
    let (mut worst, mut accepted) = (Worst::default(), 0);
    for number in 0..count {
        let bytes = mutant(&files[number % 2], number);
        accepted += usize::from(worst.bounded(number, bytes.len(), || pytorch::from_bytes(&bytes)).is_ok());
    }
    (worst, accepted)
}

#[test]
fn mutants_never_panic() {
    let _alone = alone();
    let (worst, accepted) = mutants(2_000);
    assert!((100..1900).contains(&accepted), "{accepted} accepted: the mutants are too blunt or too mild, {worst:?}");
}

/// The long run: `cargo test -p netra-graph --test pytorch_hostile -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_mutants_never_panic() {
    let _alone = alone();
    let (worst, accepted) = mutants(100_000);
    eprintln!("pytorch: {accepted} of 100,000 accepted, {worst:?}");
}
