//! The protocols that wait or hand over, explored state by state by the model checker Spin.
//!
//! Each model is checked as it is, and once for each way to break it that it
//! knows: a model that finds no fault in a broken protocol shows nothing.

use std::cmp::Reverse;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Depth, Part, process, record};
use crate::workspace;

/// Where the models lie, from the workspace root.
const FOLDER: &str = "ring-io/verification";

/// No single exploration takes longer.
const LIMIT: Duration = Duration::from_secs(1800);
/// Steps on one path; the longest have a few hundred. An exploration that would need more fails as incomplete.
const STEPS_MAX: &str = "-m100000";
/// Memory of one exploration in MiB, of which there are as many as cores. It fails as incomplete beyond.
const MEMORY_MAX: &str = "-DMEMLIM=5000";

/// One model with its sizes.
struct Exploration {
    model: &'static str,
    sizes: &'static [&'static str],
    /// The macro that breaks the protocol; an error must be found.
    broken: Option<&'static str>,
    from: Depth,
}

const fn sound(model: &'static str, sizes: &'static [&'static str], from: Depth) -> Exploration {
    Exploration {
        model,
        sizes,
        broken: None,
        from,
    }
}

const fn broken(
    model: &'static str,
    sizes: &'static [&'static str],
    how: &'static str,
) -> Exploration {
    Exploration {
        model,
        sizes,
        broken: Some(how),
        from: Depth::Quick,
    }
}

impl Exploration {
    /// `waiting.pml -DTHREADS=3 BREAK_KEY`.
    fn name(&self) -> String {
        let words = std::iter::once(self.model)
            .chain(self.sizes.iter().copied())
            .chain(self.broken);
        words.collect::<Vec<_>>().join(" ")
    }
}

const SUBMISSION: &str = "submission.pml";
const WAITING: &str = "waiting.pml";

const EXPLORATIONS: &[Exploration] = &[
    sound(SUBMISSION, &["-DENTRIES=2"], Depth::Quick),
    sound(SUBMISSION, &["-DWORKERS=3", "-DBATCHES=1"], Depth::Quick),
    sound(SUBMISSION, &["-DWORKERS=3"], Depth::Quick),
    sound(SUBMISSION, &["-DENTRIES=4", "-DBATCHES=3"], Depth::Full),
    sound(SUBMISSION, &["-DWORKERS=3", "-DENTRIES=4"], Depth::Full),
    // More laps of the queue for each worker.
    sound(SUBMISSION, &["-DWORKERS=3", "-DBATCHES=3"], Depth::Deep),
    sound(
        SUBMISSION,
        &["-DWORKERS=3", "-DBATCHES=3", "-DENTRIES=4"],
        Depth::Deep,
    ),
    // More workers.
    sound(SUBMISSION, &["-DWORKERS=4", "-DBATCHES=1"], Depth::Deep),
    sound(
        SUBMISSION,
        &["-DWORKERS=4", "-DBATCHES=1", "-DENTRIES=4"],
        Depth::Deep,
    ),
    sound(WAITING, &["-DTHREADS=2", "-DTURNS=2"], Depth::Quick),
    sound(
        WAITING,
        &["-DTHREADS=2", "-DTURNS=2", "-DREFUSALS=2"],
        Depth::Full,
    ),
    sound(
        WAITING,
        &["-DTHREADS=3", "-DREFUSALS=0", "-DEARLY=0"],
        Depth::Full,
    ),
    // Three threads, with a refusal and an early end; with more refusals; two threads with more of all.
    sound(WAITING, &["-DTHREADS=3"], Depth::Deep),
    sound(
        WAITING,
        &["-DTHREADS=3", "-DREFUSALS=2", "-DEARLY=0"],
        Depth::Deep,
    ),
    sound(
        WAITING,
        &["-DTHREADS=2", "-DTURNS=3", "-DREFUSALS=2", "-DEARLY=2"],
        Depth::Deep,
    ),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_FORGET"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_EAGER"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_ALONE"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_CHAIN"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_CLAIM"),
    broken(SUBMISSION, &["-DENTRIES=2"], "BREAK_EARLY"),
    broken(WAITING, &["-DTHREADS=3"], "BREAK_LOOK"),
    broken(WAITING, &["-DTHREADS=3"], "BREAK_ANNOUNCE"),
    broken(WAITING, &["-DTHREADS=3"], "BREAK_KEY"),
    broken(WAITING, &["-DTHREADS=3"], "BREAK_BUMP"),
    broken(WAITING, &["-DTHREADS=3"], "BREAK_LEAVE"),
    broken(WAITING, &["-DTHREADS=3"], "BREAK_PASS"),
    broken(
        WAITING,
        &["-DTHREADS=2", "-DREFUSALS=2", "-DEARLY=0"],
        "BREAK_STRAND",
    ),
];

/// Explores the models that belong to `depth`.
pub(super) fn run(depth: Depth) -> Result<Part> {
    for (tool, package) in [("spin", "spin"), ("gcc", "gcc")] {
        let found = Command::new(tool).arg("--version").output();
        if found.is_err() {
            return Ok(Part::skipped(
                "spin",
                &format!("`{tool}` is not installed: apt-get install {package}"),
            ));
        }
    }
    let mut chosen: Vec<_> = EXPLORATIONS
        .iter()
        .filter(|one| one.from <= depth)
        .collect();
    // The long ones first, so that no core is idle at the end.
    chosen.sort_by_key(|one| Reverse(one.from));
    let mut part = Part::default();
    for outcome in process::on_all_cores(&chosen, |one| explore(one))? {
        if let Ok(Some(row)) = &outcome {
            part.explored.push(row.clone());
        }
        part.count(outcome);
    }
    Ok(part)
}

/// Prints what was found; answers what to remember of a sound protocol, or what is wrong.
fn explore(exploration: &Exploration) -> Result<Result<Option<record::Row>>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let found = explorer(exploration, folder.path())?;
    let judged = judge(exploration, &found);
    if let Ok(states) = judged {
        println!(
            "{states:>10} states  {:5.1} s  {}: {}",
            found.cost.wall.as_secs_f64(),
            exploration.name(),
            if exploration.broken.is_some() {
                "found"
            } else {
                "holds"
            }
        );
    }
    Ok(judged.map(|states| {
        exploration.broken.is_none().then(|| record::Row {
            tool: "spin",
            what: format!("`{}`", exploration.name()),
            size: format!("{states} states"),
            cost: found.cost,
        })
    }))
}

/// Generates the program that explores the model, compiles and runs it.
fn explorer(exploration: &Exploration, folder: &Path) -> Result<process::Finished> {
    let model = workspace::root().join(FOLDER).join(exploration.model);
    let mut generate = Command::new("spin");
    generate.args(exploration.sizes);
    if let Some(how) = exploration.broken {
        generate.arg(format!("-D{how}"));
    }
    generate.arg("-a").arg(model).current_dir(folder);
    succeed(&mut generate)?;

    // A fault is found within seconds, so there the compiler's own time counts.
    let effort = if exploration.broken.is_some() {
        "-O0"
    } else {
        "-O2"
    };
    // `SAFETY`: assertions and deadlocks, no liveness. `COLLAPSE`: states take less memory.
    // Every state is kept whole: no hashing that could take two for one.
    let options = [
        "-w",
        "-DSAFETY",
        "-DCOLLAPSE",
        MEMORY_MAX,
        "-o",
        "explore",
        "pan.c",
    ];
    let mut compile = Command::new("gcc");
    compile.arg(effort).args(options);
    succeed(compile.current_dir(folder))?;

    let mut explore = Command::new(folder.join("explore"));
    explore.arg(STEPS_MAX).current_dir(folder);
    process::run(&exploration.name(), &mut explore, LIMIT)
}

fn succeed(command: &mut Command) -> Result<()> {
    let finished = process::run(&workspace::describe(command), command, LIMIT)?;
    ensure!(
        finished.succeeded(),
        "`{}` failed:\n{}",
        workspace::describe(command),
        finished.output
    );
    Ok(())
}

/// How many states there were, if all is as it should be.
fn judge(exploration: &Exploration, found: &process::Finished) -> Result<u64> {
    let name = exploration.name();
    ensure!(
        found.status.is_some(),
        "{name}: searched, not exhausted: not done within {} s",
        LIMIT.as_secs()
    );
    let errors = number_after(&found.output, "errors: ")
        .with_context(|| format!("{name}: no count of errors in\n{}", found.output))?;
    let states = number_before(&found.output, " states, stored").unwrap_or(0);
    if exploration.broken.is_some() {
        ensure!(
            errors > 0,
            "{name}: the broken protocol passes, so the model shows nothing"
        );
    } else {
        ensure!(errors == 0, "{name}: {}", first_complaint(&found.output));
        ensure!(
            found.succeeded() && is_exhausted(&found.output),
            "{name}: searched, not exhausted\n{}",
            found.output
        );
    }
    Ok(states)
}

/// Whether the explorer does not say that it gave up on some path, or for want of memory.
fn is_exhausted(output: &str) -> bool {
    [
        "max search depth too small",
        "out of memory",
        "reached -DMEMLIM bound",
        "Search not completed",
    ]
    .iter()
    .all(|word| !output.contains(word))
}

/// `pan:1: assertion violated …`: the first line in which the explorer says what it found.
fn first_complaint(output: &str) -> &str {
    output
        .lines()
        .find(|line| line.starts_with("pan:1"))
        .unwrap_or(output)
}

fn number_after(text: &str, word: &str) -> Option<u64> {
    let (_, rest) = text.split_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

fn number_before(text: &str, word: &str) -> Option<u64> {
    let (before, _) = text.split_once(word)?;
    // Large counts are printed as 1.234e+06.
    let number: f64 = before.split_whitespace().next_back()?.parse().ok()?;
    Some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUND: &str = "pan:1: assertion violated (1==0) (at depth 7)\n\nState-vector 88 byte, depth reached 161, errors: 1\n      733 states, stored\n";

    #[test]
    fn a_search_that_was_cut_is_not_exhausted() {
        assert!(is_exhausted(FOUND));
        for word in [
            "error: max search depth too small",
            "pan: reached -DMEMLIM bound",
            "Warning: Search not completed",
        ] {
            assert!(!is_exhausted(&format!("{FOUND}{word}\n")));
        }
    }

    #[test]
    fn errors_and_states_are_read_from_what_the_explorer_prints() {
        assert_eq!(number_after(FOUND, "errors: "), Some(1));
        assert_eq!(number_before(FOUND, " states, stored"), Some(733));
        assert_eq!(
            number_before("1.5e+06 states, stored", " states, stored"),
            Some(1_500_000)
        );
        assert_eq!(
            first_complaint(FOUND),
            "pan:1: assertion violated (1==0) (at depth 7)"
        );
    }
}
