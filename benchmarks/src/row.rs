//! What a row is: a question, and one answer per library.

/// One comparison. A row is one file under `rows/`, and nothing outside it knows how it works.
pub struct Row {
    pub name: &'static str,
    /// What the row asks, in one sentence.
    pub question: &'static str,
    /// What the points count.
    pub axis: &'static str,
    pub points: &'static [u32],
    /// The points whose instructions are counted too.
    pub counted: &'static [u32],
    pub measure: Measure,
    /// The first one is what the others are compared with.
    pub variants: &'static [Variant],
    pub goals: &'static [Goal],
    /// What explains the results, and was measured; nothing if they speak for themselves.
    pub note: &'static str,
    /// The question is how a variant's cost at a point compares with its own at the first one.
    pub grows: bool,
    /// Elapsed time is shown as well, in a table of its own.
    pub shows_wall: bool,
    /// On one CPU; without it, threads and children go where they like.
    pub is_pinned: bool,
    /// About how long is measured at once.
    pub chunk_ms: f64,
    /// How many chunks a turn has. The fastest counts: one that somebody disturbed is slower, never faster.
    pub chunks: u32,
    /// How many turns a process gets.
    pub turns: u32,
    /// A number that all contestants of a round must agree on, such as a rate: they find it in [`COMMON`].
    pub common: Option<fn() -> Result<u64, Skip>>,
}

impl Row {
    /// What most rows have in common.
    pub const DEFAULT: Self = Self {
        name: "",
        question: "",
        axis: "",
        points: &[],
        counted: &[],
        measure: Measure::Cpu,
        variants: &[],
        goals: &[],
        note: "",
        grows: false,
        shows_wall: false,
        is_pinned: true,
        chunk_ms: 1.0,
        chunks: 6,
        turns: 11,
        common: None,
    };
}

/// What is compared.
#[derive(Clone, Copy)]
pub enum Measure {
    /// CPU time of the process and of its children: the median of the rounds' ratios.
    Cpu,
    /// Elapsed time: the median of the rounds' ratios.
    Wall,
    /// The wait that so many in a thousand of a turn stay below: the median of the rounds' ratios. The points are that, and
    /// all are taken at once.
    Quantile,
    /// Elapsed time of something that has fast and slow regimes: the ratio of the fastest runs.
    WallMinimum,
}

impl Measure {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Quantile => "quantile",
            Self::WallMinimum => "wall-minimum",
        }
    }
}

/// One library's answer to a row.
pub struct Variant {
    pub name: &'static str,
    /// Gets everything ready for the point.
    pub prepare: fn(u32) -> Prepared,
}

/// The environment variable with what a row's contestants agree on.
pub const COMMON: &str = "BENCH_COMMON";

/// What is measured, or why it cannot be here.
pub type Prepared = Result<Body, Skip>;

/// Runs that many iterations, and answers how many operations those were.
pub type Body = Box<dyn FnMut(u64) -> Done>;

/// This machine lacks something.
#[derive(Debug)]
pub struct Skip(pub String);

impl Skip {
    pub fn because(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

#[derive(Debug, Default)]
pub struct Done {
    pub operations: u64,
    /// The time that the operations took, where the body knows better than a clock around it.
    pub elapsed_ns: Option<f64>,
    /// How long each took, where the row asks for a quantile.
    pub waits_ns: Vec<u32>,
}

impl Done {
    pub fn of(operations: u64) -> Self {
        Self {
            operations,
            ..Self::default()
        }
    }
}

/// What a variant is to reach at a point.
pub struct Goal {
    pub variant: &'static str,
    pub point: u32,
    pub what: Target,
    pub at_most: f64,
}

#[derive(Clone, Copy)]
pub enum Target {
    /// Instructions per operation.
    Instructions,
    /// The row's measure, as a ratio to the first variant.
    Ratio,
}

impl Target {
    pub fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Ratio => "ratio",
        }
    }
}

/// Goals of one kind for one variant: pairs of a point and its limit.
pub const fn goal(variant: &'static str, what: Target, point: u32, at_most: f64) -> Goal {
    Goal {
        variant,
        point,
        what,
        at_most,
    }
}
