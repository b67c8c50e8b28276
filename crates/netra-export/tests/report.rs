//! The HTML report and the CSV table of made-up sources: what is in them, what must not be, and whether others read them.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // helpers of tests may panic and print

mod common;

use std::path::Path;
use std::process::Command;

use common::peers::validate;
use common::{Case, cases, set};
use netra_core::{Classification, CodedConcept, ErrorKind, Finding, Findings, ModelStatement, Warning};
use netra_dicom::FileDigest;
use netra_export::{Csv, Exporter, Html, Interpreter, table};

const HOSTILE: &str = "<script>\"&'</script>";

/// Findings whose every text tries to break out of the markup.
fn hostile(case: &Case) -> Findings {
    let class = |label: &str, probability: f32, threshold: Option<f32>| Classification {
        label: label.to_owned(),
        concept: CodedConcept { value: "1".into(), scheme: "SCT".into(), meaning: HOSTILE.into() },
        probability,
        threshold,
        positive: threshold.map(|t| probability >= t),
    };
    let mut findings = case.findings(3);
    findings.finding = Finding::Classes(vec![
        class(HOSTILE, 0.91, Some(0.5)),
        class("=cmd, \"quoted\"", 0.2, Some(0.5)),
        class("Third", 0.125, None),
    ]);
    findings.model.name = HOSTILE.to_owned();
    findings.warnings.push(Warning { code: "hostile".into(), message: HOSTILE.into() });
    findings
}

fn statement() -> ModelStatement {
    ModelStatement {
        purpose: "Outlines of three organs".to_owned(),
        not_for: vec!["Diagnosis".to_owned(), "Children under 12".to_owned()],
        population: "120 adults, two sites".to_owned(),
        user: "Radiographers".to_owned(),
        licence: "CC-BY-4.0".to_owned(),
        source: "https://example.org/weights".to_owned(),
        approval: "IEC 12/2024".to_owned(),
        consent: "Waived".to_owned(),
    }
}

fn page(findings: &Findings, case: &Case, folder: &Path, name: &str) -> String {
    let digest = FileDigest { sop_instance_uid: None, bytes: 7, sha256: "ab".repeat(32) };
    let out = folder.join(format!("{name}.html"));
    Html.write(findings, &case.source(), &set().with_inputs(vec![digest]), &out).unwrap();
    std::fs::read_to_string(out).unwrap()
}

#[test]
fn the_report_tells_findings_model_source_and_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let ct = &cases[0];
    let mut findings = ct.findings(3);
    findings.statement = Some(statement());
    let page = page(&findings, ct, folder.path(), "ct");
    let study = ct.scan.acquisition().study_instance_uid.unwrap();
    let digest = findings.model.digest.clone();
    for told in [
        "AI result, for research, not for diagnosis",
        "Outlines of three organs",
        "<li>Children under 12</li>",
        "120 adults, two sites",
        "CC-BY-4.0",
        &study,
        &digest,
        "Lung",
        "Only a test",
        "No person has reviewed it.",
        "Heart<span class=\"soft\"> (SCT 80891009)</span> in Chest<span",
        "0.250",
        "5 \u{d7} 12 \u{d7} 17",
        &"ab".repeat(32),
    ] {
        assert!(page.contains(told), "{told:?} is missing");
    }
    for secret in [common::PATIENT, common::PATIENT_ID, "Prüfung", "19700131"] {
        assert!(!page.contains(secret), "{secret} leaked");
    }
    let reader = Interpreter::Practitioner { name: "Rao^Anita^^Dr".parse().unwrap(), identifier: None };
    let out = folder.path().join("read.html");
    Html.write(&findings, &ct.source(), &set().with_interpreter(reader), &out).unwrap();
    let read = std::fs::read_to_string(out).unwrap();
    assert!(read.contains("Read by Dr Anita Rao.") && !read.contains("No person"));
    // Its picture is inside, and it asks for nothing else.
    assert_eq!(page.matches("src=\"data:image/png;base64,iVBOR").count(), 1);
    for outside in ["<script", "<link", "@import", "url(", "src=\"http", "href=\"http"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_report_escapes_what_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path()) {
        let page = page(&hostile(&case), &case, folder.path(), case.name);
        assert!(!page.contains("<script"), "{}", case.name);
        // Title, heading, label, meaning of three classes, warning.
        assert_eq!(page.matches("&lt;script&gt;&quot;&amp;'&lt;/script&gt;").count(), 7, "{}", case.name);
        assert!(page.contains(">positive<") && page.contains(">no threshold<") && page.contains(">91.0 %<"));
    }
}

#[test]
fn a_generated_picture_has_a_report_and_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let photo = &cases(folder.path())[3];
    let mut findings = photo.findings(3);
    findings.finding = Finding::Generated(ndarray::Array3::from_elem((1, 8, 8), 0.5));
    let page = page(&findings, photo, folder.path(), "generated");
    assert!(page.contains("measures nothing") && page.contains("alt=\"The picture that the network made.\""));
    let out = folder.path().join("none.csv");
    let error = Csv.write(&findings, &photo.source(), &set(), &out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_table_has_one_row_a_finding_and_joins_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let out = folder.path().join("batch.csv");
    let mut rows = Vec::new();
    for case in &cases {
        rows.extend(table::rows(&case.findings(3), &case.source()).unwrap());
        rows.extend(table::rows(&hostile(case), &case.source()).unwrap());
    }
    table::write(&rows, &out).unwrap();
    if let Some(python) = netra_testkit::python("pyarrow") {
        let typed = folder.path().join("batch.Parquet");
        table::write(&rows, &typed).unwrap();
        validate(&python, "table.py", &[&typed, &out]);
        let nothing = ["none.parquet", "none.csv"].map(|name| folder.path().join(name));
        nothing.iter().for_each(|out| table::write(&[], out).unwrap());
        validate(&python, "table.py", &[&nothing[0], &nothing[1]]);
    }
    let text = std::fs::read_to_string(&out).unwrap();
    assert_eq!(text.matches("\r\n").count(), 1 + cases.len() * 6);
    assert!(text.starts_with("scan,study_instance_uid,series_instance_uid,sop_instance_uid,frame,modality,model,"));
    assert!(text.contains(",class,\"'=cmd, \"\"quoted\"\"\",1,SCT,"));
    assert!(text.contains(",Probability,0.125,1,,,,2\r\n"));
    assert!(text.contains(",Probability,0.91,1,0.5,true,,2\r\n"));
    let Finding::Segmentation { extents, .. } = &cases[0].findings(3).finding else { panic!("labels") };
    assert!(text.contains(&format!(",Lung,Volume,{0},mm3,,,{0},1\r\n", extents[0].0)));
    assert!(!text.contains(common::PATIENT_ID));
}

/// Runs a command of the validators' and shows what it said when it fails.
fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{text}");
}

/// By the npm packages `html-validate` (the standard's rules and WCAG's) and `vnu-jar` (the W3C's checker, which also reads the
/// style; needs Java).
#[test]
fn reports_are_valid_html() {
    let Some(modules) = common::node_modules() else {
        eprintln!("skipped: no npm packages (run tests/setup or set NETRA_NODE_MODULES)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let rules =
        r#"{"root": true, "extends": ["html-validate:standard", "html-validate:a11y", "html-validate:document"]}"#;
    let configuration = folder.path().join("htmlvalidate.json");
    std::fs::write(&configuration, rules).unwrap();
    let mut pages = Vec::new();
    for case in cases(folder.path()) {
        let mut findings = case.findings(300);
        findings.statement = Some(statement());
        for (kind, findings) in [("segments", findings), ("classes", hostile(&case))] {
            let name = format!("{}-{kind}", case.name);
            page(&findings, &case, folder.path(), &name);
            pages.push(folder.path().join(name + ".html"));
        }
    }
    passes(Command::new(modules.join(".bin/html-validate")).arg("--config").arg(&configuration).args(&pages));
    let checker = modules.join("vnu-jar/build/dist/vnu.jar");
    if !checker.exists() || Command::new("java").arg("-version").output().is_err() {
        eprintln!("skipped the W3C's checker: no Java or no {}", checker.display());
        return;
    }
    passes(Command::new("java").arg("-jar").arg(checker).args(["--Werror", "--also-check-css"]).args(&pages));
}

/// Python's own reader gets back what was meant, quoted cells and all.
#[test]
fn tables_are_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let photo = &cases(folder.path())[3];
    let out = folder.path().join("table.csv");
    Csv.write(&hostile(photo), &photo.source(), &set(), &out).unwrap();
    let script = "import csv, sys\n\
        rows = list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True))\n\
        assert [len(row) for row in rows] == [21] * 3, rows\n\
        assert rows[0]['label'] == sys.argv[2] and rows[0]['value'] == '0.91', rows[0]\n\
        assert rows[1]['label'] == '\\'=cmd, \"quoted\"' and rows[1]['positive'] == 'false', rows[1]\n\
        assert rows[2]['threshold'] == '' and rows[2]['modality'] == 'XC' and rows[2]['frame'] == '1', rows[2]";
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no python3");
        return;
    }
    passes(Command::new("python3").args(["-c", script]).arg(&out).arg(HOSTILE));
}
