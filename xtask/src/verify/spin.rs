//! The protocols that wait or hand over, explored state by state by the model checker Spin.
//!
//! Each model is checked as it is, and once for each way to break it that it
//! knows: a model that finds no fault in a broken protocol shows nothing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Depth, Part, process};
use crate::workspace;

/// Where the models lie, from the workspace root.
const FOLDER: &str = "ring-io/verification";

/// No single exploration takes longer.
const LIMIT: Duration = Duration::from_secs(1800);
/// Steps on one path; an exploration that would need more is reported as incomplete.
const STEPS_MAX: &str = "-m2000000";

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

const SUBMISSION: &str = "submission.pml";
const WAITING: &str = "waiting.pml";

const EXPLORATIONS: &[Exploration] = &[
    sound(SUBMISSION, &["-DENTRIES=2"], Depth::Quick),
    sound(SUBMISSION, &["-DWORKERS=3", "-DBATCHES=1"], Depth::Quick),
    sound(SUBMISSION, &["-DENTRIES=4", "-DBATCHES=3"], Depth::Full),
    sound(
        SUBMISSION,
        &["-DWORKERS=3", "-DBATCHES=1", "-DENTRIES=4"],
        Depth::Full,
    ),
    sound(SUBMISSION, &["-DWORKERS=3", "-DENTRIES=4"], Depth::Deep),
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
    sound(WAITING, &["-DTHREADS=3", "-DREFUSALS=0"], Depth::Deep),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_FORGET"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_EAGER"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_ALONE"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_CHAIN"),
    broken(SUBMISSION, &["-DENTRIES=4"], "BREAK_CLAIM"),
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
    let chosen: Vec<_> = EXPLORATIONS
        .iter()
        .filter(|one| one.from <= depth)
        .collect();
    let mut part = Part::default();
    for outcome in process::on_all_cores(&chosen, |one| explore(one))? {
        let outcome = outcome.inspect(|line| println!("{line}"));
        part.count(outcome);
    }
    Ok(part)
}

/// Answers the line to print, or what is wrong.
fn explore(exploration: &Exploration) -> Result<Result<String>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let found = explorer(exploration, folder.path())?;
    Ok(judge(exploration, &found))
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
    let options = ["-w", "-DSAFETY", "-DCOLLAPSE", "-o", "explore", "pan.c"];
    let mut compile = Command::new("gcc");
    compile.arg(effort).args(options);
    succeed(compile.current_dir(folder))?;

    let mut explore = Command::new(folder.join("explore"));
    process::run(explore.arg(STEPS_MAX).current_dir(folder), LIMIT)
}

fn succeed(command: &mut Command) -> Result<()> {
    let finished = process::run(command, LIMIT)?;
    ensure!(
        finished.succeeded(),
        "`{}` failed:\n{}",
        workspace::describe(command),
        finished.output
    );
    Ok(())
}

fn judge(exploration: &Exploration, found: &process::Finished) -> Result<String> {
    let name = format!(
        "{} {}",
        exploration.model,
        exploration
            .sizes
            .iter()
            .copied()
            .chain(exploration.broken)
            .collect::<Vec<_>>()
            .join(" ")
    );
    ensure!(
        found.status.is_some(),
        "{name}: not explored within {} s",
        LIMIT.as_secs()
    );
    let errors = number_after(&found.output, "errors: ")
        .with_context(|| format!("{name}: no count of errors in\n{}", found.output))?;
    let states = number_before(&found.output, " states, stored").unwrap_or(0);
    // What Spin says when it gave up on some path.
    let complete = ![
        "max search depth too small",
        "out of memory",
        "Search not completed",
    ]
    .iter()
    .any(|word| found.output.contains(word));
    let seconds = found.time.as_secs_f64();
    if exploration.broken.is_some() {
        ensure!(
            errors > 0,
            "{name}: the broken protocol passes, so the model shows nothing"
        );
        Ok(format!(
            "{states:>10} states  {seconds:5.1} s  {name}: found"
        ))
    } else {
        ensure!(errors == 0, "{name}: {}", first_complaint(&found.output));
        ensure!(
            complete,
            "{name}: not explored to the end\n{}",
            found.output
        );
        Ok(format!(
            "{states:>10} states  {seconds:5.1} s  {name}: holds"
        ))
    }
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
