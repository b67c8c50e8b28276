//! The table of `docs/operators.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Binding, Case, Outcome, Report, VISION, is_vision};

const HEAD: &str = include_str!("head.md");

/// The whole page: how cases are judged, totals, one row an operator, and a second table over the operators' definitions.
/// `reports` are of the same cases, in their order.
pub fn markdown(cases: &[Case], reports: &[Report]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Totals\n\n");
    totals(&mut page, cases, reports);
    page.push_str("\n## Operators\n\n");
    page.push_str("Operators of imaging networks are set in bold.\n\n");
    operators(&mut page, cases, reports, false);
    page.push_str("\n## Definitions of operators in other operators\n\n");
    operators(&mut page, cases, reports, true);
    page.push_str("\n## Operators of imaging networks\n\n");
    for (why, ops) in VISION {
        let _ = writeln!(page, "- {why}: {}", ops.replace(' ', ", "));
    }
    page
}

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    with_parameters: usize,
    folded: usize,
    refused: usize,
    failed: usize,
}

impl Counts {
    fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        outcomes.fold(Self::default(), |mut counts, outcome| {
            match outcome {
                Outcome::Passed(binding) => {
                    counts.passed += 1;
                    counts.with_parameters += usize::from(*binding == Binding::Data);
                }
                Outcome::Folded(_) => counts.folded += 1,
                Outcome::Refused(_) => counts.refused += 1,
                Outcome::Failed(_) => counts.failed += 1,
            }
            counts
        })
    }

    /// Cells: passed (with parameters as constants), folded, refused, failed; nothing where there are none.
    fn cells(self) -> String {
        let count = |n: usize| if n == 0 { String::new() } else { n.to_string() };
        let passed = match self.with_parameters {
            0 => count(self.passed),
            n => format!("{} ({n})", self.passed),
        };
        format!("{passed} | {} | {} | {} |", count(self.folded), count(self.refused), count(self.failed))
    }
}

fn header(page: &mut String, first: &str, reports: &[Report], reasons: bool) {
    let _ = write!(page, "| {first} | cases |");
    for report in reports {
        let _ = write!(page, " {} passed | folded | refused | failed |", report.backend);
    }
    page.push_str(if reasons { " why not |\n| --- | ---: |" } else { "\n| --- | ---: |" });
    for _ in reports {
        page.push_str(" ---: | ---: | ---: | ---: |");
    }
    page.push_str(if reasons { " --- |\n" } else { "\n" });
}

fn totals(page: &mut String, cases: &[Case], reports: &[Report]) {
    type Keep = fn(&Case) -> bool;
    let rows: [(&str, Keep); 4] = [
        ("one operator of imaging networks", Case::is_vision),
        ("one operator", |case| !case.expanded),
        ("definitions in other operators", |case| case.expanded),
        ("all", |_| true),
    ];
    header(page, "cases of", reports, false);
    for (what, keep) in rows {
        let _ = write!(page, "| {what} | {} |", cases.iter().filter(|case| keep(case)).count());
        for report in reports {
            let kept = cases.iter().zip(&report.outcomes).filter(|(case, _)| keep(case));
            let _ = write!(page, " {}", Counts::of(kept.map(|(_, outcome)| outcome)).cells());
        }
        page.push('\n');
    }
}

fn operators(page: &mut String, cases: &[Case], reports: &[Report], expanded: bool) {
    let mut by_op: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, case) in cases.iter().enumerate().filter(|(_, case)| case.expanded == expanded) {
        by_op.entry(&case.op).or_default().push(i);
    }
    header(page, "operator", reports, true);
    for (op, indices) in by_op {
        let bold = if is_vision(op) { "**" } else { "" };
        let _ = write!(page, "| {bold}{op}{bold} | {} |", indices.len());
        let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for report in reports {
            let outcomes: Vec<_> = indices.iter().filter_map(|&i| report.outcomes.get(i)).collect();
            let _ = write!(page, " {}", Counts::of(outcomes.iter().copied()).cells());
            for reason in outcomes.into_iter().filter_map(reason) {
                let backends = reasons.entry(reason).or_default();
                if !backends.contains(&report.backend.as_str()) {
                    backends.push(&report.backend);
                }
            }
        }
        let one = |(reason, backends): (&String, &Vec<&str>)| match backends.len() == reports.len() {
            true => reason.clone(),
            false => format!("{}: {reason}", backends.join(", ")),
        };
        let _ = writeln!(page, " {} |", reasons.iter().map(one).collect::<Vec<_>>().join("; "));
    }
}

/// Why a case did not pass, fit for a cell.
fn reason(outcome: &Outcome) -> Option<String> {
    let why = match outcome {
        Outcome::Passed(_) => return None,
        Outcome::Folded(why) | Outcome::Refused(why) => why.clone(),
        Outcome::Failed(why) => format!("failed: {why}"),
    };
    let short: String = why.chars().take(120).collect();
    Some(short.replace('|', "\\|").replace('\n', " "))
}
