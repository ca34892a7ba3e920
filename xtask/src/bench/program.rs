//! The measuring programs: how they are built, what rows they have, how they are started.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace;

/// Where everything goes that belongs to the benchmarks, beside the workspace's own builds.
pub(crate) const TARGET: &str = "target/benchmarks";

/// How the programs end where the machine lacks something.
const SKIPPED: i32 = 77;

/// How the label of the first contestant ends where it runs once more.
const AGAIN: &str = " again (A/A)";

/// Where they find what all contestants of a round agree on.
const COMMON: &str = "BENCH_COMMON";

/// Variants of this library are measured over both of its backends.
const OURS: &str = "ring-io";

/// One comparison, as the program describes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) question: String,
    pub(crate) note: String,
    pub(crate) grows: bool,
    pub(crate) shows_wall: bool,
    /// Whether all contestants of a round must agree on a number first.
    pub(crate) has_common: bool,
    /// How many turns a process gets.
    pub(crate) turns: u32,
    pub(crate) measure: Measure,
    pub(crate) axis: String,
    pub(crate) points: Vec<u32>,
    pub(crate) counted: Vec<u32>,
    pub(crate) variants: Vec<String>,
    pub(crate) goals: Vec<Goal>,
}

/// What a row compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Measure {
    #[default]
    Cpu,
    Wall,
    WallMinimum,
    /// Of many waits, in each turn.
    Quantile,
}

/// What a variant is to reach at a point.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) variant: String,
    pub(crate) point: u32,
    pub(crate) is_ratio: bool,
    pub(crate) at_most: f64,
}

/// One side of a comparison: a variant, and the program that holds it.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) label: String,
    pub(crate) variant: String,
    pub(crate) backend: Backend,
}

impl Contestant {
    /// Whether it is the first one once more, which shows the noise.
    pub(crate) fn is_again(&self) -> bool {
        self.label.ends_with(AGAIN)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Liburing,
    Pure,
}

/// Nanoseconds per operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) cpu_ns: f64,
    pub(crate) wall_ns: f64,
}

/// The same program over both backends of ring-io.
pub(crate) struct Programs {
    liburing: Program,
    pure: Program,
    helpers: Vec<(&'static str, PathBuf)>,
}

/// One executable.
pub(crate) struct Program(PathBuf);

impl Programs {
    /// Builds them, and the programs that rows start.
    pub(crate) fn build() -> Result<Self> {
        Ok(Self {
            pure: Program::build("pure", &["peers"])?,
            liburing: Program::build("all", &["liburing", "peers"])?,
            helpers: vec![
                ("BENCH_RING_IO_CP", example_cp()?),
                ("BENCH_LIBURING_CP", liburing_cp()?),
            ],
        })
    }

    pub(crate) fn rows(&self) -> Result<Vec<Row>> {
        self.liburing.rows()
    }

    /// Starts one contestant and waits until it is ready; `Err` inside is why it cannot run here.
    pub(crate) fn start(
        &self,
        row: &Row,
        contestant: &Contestant,
        point: u32,
        common: Option<&str>,
    ) -> Result<Result<Process, String>> {
        let mut command = self.command(contestant.backend);
        command
            .args(["turns", &row.name])
            .arg(point.to_string())
            .arg(measuring_cpu().to_string())
            .arg(&contestant.variant)
            .envs(common.map(|number| (COMMON, number)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the benchmarks")?;
        let mut process = Process {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().context("its output is a pipe")?),
            child,
            label: contestant.label.clone(),
        };
        let line = process.line()?;
        if line == "ready" {
            return Ok(Ok(process));
        }
        let reason = line.strip_prefix("skipped: ").map(str::to_owned);
        reason.map_or_else(
            || bail!("{} does not start in row {}", contestant.label, row.name),
            |reason| Ok(Err(reason)),
        )
    }

    /// What all contestants of a round are to agree on, if the row has that.
    pub(crate) fn common(&self, row: &Row) -> Result<Option<String>> {
        if !row.has_common {
            return Ok(None);
        }
        let mut command = self.command(Backend::Liburing);
        command.args(["common", &row.name, &measuring_cpu().to_string()]);
        let output = command.output().context("cannot start the benchmarks")?;
        // Who cannot run says so when it is started.
        Ok(answer(&output, "what is common", row)?.ok())
    }

    /// A command that starts the program of that backend.
    pub(crate) fn command(&self, backend: Backend) -> Command {
        let program = match backend {
            Backend::Liburing => &self.liburing,
            Backend::Pure => &self.pure,
        };
        let mut command = Command::new(&program.0);
        command.current_dir(workspace::root());
        command.envs(self.helpers.iter().map(|(name, path)| (name, path)));
        command
    }
}

/// A contestant that waits for its turns. It ends when the value does.
pub(crate) struct Process {
    child: Child,
    /// Closed first: its end is the process's end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    label: String,
}

impl Process {
    /// Lets it measure once; answers that many figures, of which a row of quantiles has several.
    pub(crate) fn turn(&mut self, count: usize) -> Result<Vec<Figures>> {
        let input = self.input.as_mut().context("its input is a pipe")?;
        writeln!(input).with_context(|| format!("{} has ended", self.label))?;
        let line = self.line()?;
        let numbers: Vec<f64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        match numbers.split_first() {
            Some((&cpu_ns, all)) if all.len() == count => {
                let figures = all.iter().map(|&wall_ns| Figures { cpu_ns, wall_ns });
                Ok(figures.collect())
            }
            _ => bail!("{} does not print its figures: `{line}`", self.label),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .with_context(|| format!("cannot read what {} says", self.label))?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends its own helpers, which a signal would not. What it measured was read, so that nothing is lost.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

impl Program {
    /// Builds with these features of `benchmarks`, under a name of its own: the next build overwrites what cargo makes.
    pub(crate) fn build(name: &str, features: &[&str]) -> Result<Self> {
        let mut build = workspace::cargo([
            "build",
            "--release",
            "--manifest-path",
            "benchmarks/Cargo.toml",
            "--target-dir",
            TARGET,
            "--no-default-features",
            "--features",
        ]);
        build.arg(features.join(","));
        // What is compiled piece by piece is not what is measured: a proactor's read takes 38 instructions more.
        build.env("CARGO_INCREMENTAL", "0");
        let built = workspace::executable(&mut build, "benchmarks")?;
        let kept = workspace::root()
            .join(TARGET)
            .join(format!("benchmarks-{name}"));
        fs::copy(&built, &kept)
            .with_context(|| format!("cannot copy {} to {}", built.display(), kept.display()))?;
        Ok(Self(kept))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn rows(&self) -> Result<Vec<Row>> {
        let output = Command::new(&self.0)
            .arg("list")
            .output()
            .context("cannot start the benchmarks")?;
        ensure!(
            output.status.success(),
            "the benchmarks do not list their rows"
        );
        parse(&String::from_utf8_lossy(&output.stdout))
    }
}

/// What a measuring process said: its output, or inside, why it cannot run here.
pub(crate) fn answer(output: &Output, label: &str, row: &Row) -> Result<Result<String, String>> {
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.code() == Some(SKIPPED) {
        let reason = text.strip_prefix("skipped: ").unwrap_or(&text);
        return Ok(Err(reason.to_owned()));
    }
    ensure!(
        output.status.success(),
        "{label} fails in row {} ({}):\n{}",
        row.name,
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(Ok(text))
}

impl Row {
    /// All sides: our variants over both backends, and the first one a second time to show the noise.
    pub(crate) fn contestants(&self) -> Vec<Contestant> {
        let mut all = Vec::new();
        for (place, variant) in self.variants.iter().enumerate() {
            let mut enter = |label: String, backend| {
                all.push(Contestant {
                    label,
                    variant: variant.clone(),
                    backend,
                });
            };
            enter(variant.clone(), Backend::Liburing);
            if place == 0 {
                enter(format!("{variant}{AGAIN}"), Backend::Liburing);
            }
            if is_ours(variant) {
                enter(format!("{variant} (pure)"), Backend::Pure);
            }
        }
        all
    }
}

/// Whether a variant, or a contestant's label, is ring-io.
pub(crate) fn is_ours(variant: &str) -> bool {
    variant.starts_with(OURS)
}

fn parse(text: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if key == "row" {
            let mut words = value.splitn(3, ' ').map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            rows.push(Row {
                name: word(),
                measure: match word().as_str() {
                    "cpu" => Measure::Cpu,
                    "wall" => Measure::Wall,
                    "wall-minimum" => Measure::WallMinimum,
                    "quantile" => Measure::Quantile,
                    other => bail!("`{other}` is no measure"),
                },
                axis: word(),
                ..Row::default()
            });
            continue;
        }
        let row = rows
            .last_mut()
            .with_context(|| format!("`{line}` stands before the first row"))?;
        match key {
            "question" => value.clone_into(&mut row.question),
            "grows" => row.grows = true,
            "shows-wall" => row.shows_wall = true,
            "common" => row.has_common = true,
            "turns" => row.turns = value.parse().context("turns are a number")?,
            "note" => value.clone_into(&mut row.note),
            "points" => row.points = numbers(value)?,
            "counted" => row.counted = numbers(value)?,
            "variant" => row.variants.push(value.to_owned()),
            "goal" => row.goals.push(goal(value)?),
            _ => bail!("`{line}` says nothing about a row"),
        }
    }
    Ok(rows)
}

fn numbers(text: &str) -> Result<Vec<u32>> {
    text.split_whitespace()
        .map(|word| {
            word.parse()
                .with_context(|| format!("`{word}` is no number"))
        })
        .collect()
}

fn goal(text: &str) -> Result<Goal> {
    let mut words = text.splitn(4, ' ');
    let mut word = || words.next().with_context(|| format!("`{text}` is no goal"));
    Ok(Goal {
        is_ratio: word()? == "ratio",
        point: word()?.parse()?,
        at_most: word()?.parse()?,
        variant: word()?.to_owned(),
    })
}

/// Not the first CPU: interrupts and everybody else like that one.
fn measuring_cpu() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) - 1
}

/// The example that copies a file with ring-io.
fn example_cp() -> Result<PathBuf> {
    let mut command =
        workspace::cargo(["build", "--release", "--package", "cp", "--example", "cp"]);
    workspace::executable(&mut command, "cp")
}

/// liburing's own example, built from the vendored source.
fn liburing_cp() -> Result<PathBuf> {
    let source = workspace::root().join("vendor/liburing");
    let program = workspace::root().join(TARGET).join("io_uring-cp");
    let mut command = workspace::command("cc");
    command.args(["-O3", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-w"]);
    for folder in ["ring-io-sys/include", "vendor/liburing/src/include"] {
        command.arg("-I").arg(folder);
    }
    command.arg("-o").arg(&program);
    command.arg(source.join("examples/io_uring-cp.c"));
    for file in ["setup", "queue", "register", "syscall"] {
        command.arg(source.join(format!("src/{file}.c")));
    }
    workspace::run(&mut command)?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_the_program_lists_them() {
        let text = "row nop cpu batch\nquestion What?\npoints 1 8\ncounted 1\nvariant C\n\
                    variant ring-io, batch\ngoal instructions 8 27.5 ring-io, batch\n";
        let rows = parse(text).expect("the text is well formed");
        let [row] = rows.as_slice() else {
            panic!("one row: {rows:?}")
        };
        assert_eq!(
            (row.name.as_str(), row.axis.as_str(), row.measure),
            ("nop", "batch", Measure::Cpu)
        );
        assert_eq!(row.points, [1, 8]);
        let goal = &row.goals[0];
        assert_eq!(
            (goal.variant.as_str(), goal.point, goal.is_ratio),
            ("ring-io, batch", 8, false)
        );
        let labels: Vec<String> = row.contestants().into_iter().map(|c| c.label).collect();
        assert_eq!(
            labels,
            [
                "C",
                "C again (A/A)",
                "ring-io, batch",
                "ring-io, batch (pure)"
            ]
        );
    }

    #[test]
    fn an_unknown_line_is_refused() {
        assert!(parse("points 1").is_err());
        assert!(parse("row a cpu b\nwhat is this").is_err());
    }
}
