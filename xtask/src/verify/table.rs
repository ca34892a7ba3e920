//! The table of every ordering, made weaker in every way, and of what notices.
//!
//! Written to `ring-io/verification/table.md`, which the documentation of
//! `ring_io::concurrent` shows. The committed file also remembers which model
//! noticed, so that the next run asks that one first.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, anyhow, bail};

use super::harmless::{self, Argument};
use super::litmus::{self, Witness};
use super::loom::{Answer, Suite};
use super::process::Cost;
use super::sites::{Site, Weakening};
use super::{Depth, Options, Part, process, record, sites};
use crate::workspace;

const FILE: &str = "ring-io/verification/table.md";

/// One weakening and all that is known of it.
struct Row {
    weakening: Weakening,
    loom: Answer,
    litmus: Vec<Witness>,
    harmless: Option<Argument>,
}

/// Weakens each site in turn, prints the table, and writes it or compares it with the committed one.
pub(super) fn run(sites: &[Site], options: &Options) -> Result<Part> {
    let path = workspace::root().join(FILE);
    // A table that is not there yet remembers nothing.
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let (rows, cost) = rows(sites, options, &remember(&committed))?;
    let text = render(sites, &rows);
    println!("{text}");

    let mut part = Part::default();
    part.explored.push(record::Row {
        tool: "table",
        what: "each ordering weakened, until a model notices".to_owned(),
        size: format!("{} weakenings", rows.len()),
        cost,
    });
    for row in &rows {
        part.count(row.check());
        if options.depth == Depth::Deep {
            part.count(row.is_exhausted());
        } else if let Err(cut) = row.is_exhausted() {
            println!("{cut}");
        }
    }
    if text == committed {
        part.count(Ok(()));
    } else if options.check {
        part.count::<()>(Err(anyhow!(
            "{FILE} is stale; write it with `cargo xtask verify table`"
        )));
    } else if options.depth == Depth::Quick {
        bail!(
            "{FILE} is stale, and the quick run finds no new witness; write it with `cargo xtask verify table`"
        );
    } else {
        fs::write(&path, text).with_context(|| format!("cannot write {FILE}"))?;
        println!("written to {FILE}");
    }
    Ok(part)
}

fn rows(sites: &[Site], options: &Options, committed: &Memory) -> Result<(Vec<Row>, Cost)> {
    let weakenings = sites::weakenings(sites);
    let arguments = harmless::read(&weakenings)?;
    let litmus = litmus::witnesses(sites, &weakenings)?;
    let suite = Suite::build()?;
    let rows: Vec<Row> = weakenings
        .into_iter()
        .zip(litmus)
        .map(|(weakening, litmus)| {
            let name = weakening.to_string();
            Row {
                weakening,
                loom: Answer::NotCaught(Vec::new()),
                litmus,
                harmless: arguments.iter().find(|one| one.weakening == name).cloned(),
            }
        })
        .collect();
    let answers = process::on_all_cores(&rows, |row| {
        let answer = row.ask(&suite, options.depth, committed)?;
        if options.depth == Depth::Deep {
            println!("{}: {answer}", row.weakening);
        }
        Ok(answer)
    })?;
    let answered = rows.into_iter().zip(answers);
    let rows = answered.map(|(row, loom)| Row { loom, ..row }).collect();
    Ok((rows, suite.asking()))
}

impl Row {
    /// Asks loom: first the test that noticed before; all of them where that may change what is known.
    fn ask(&self, suite: &Suite, depth: Depth, committed: &Memory) -> Result<Answer> {
        let known = committed.get(&self.weakening.to_string());
        if let Some(Some(test)) = known
            && suite.confirm(&self.weakening, test)?
        {
            return Ok(Answer::Caught(test.clone()));
        }
        // A search that finds nothing takes longest. Where a litmus test stands in, it is left to the deep run.
        let is_settled = matches!(known, Some(None)) && !self.litmus.is_empty();
        if is_settled && depth < Depth::Deep {
            return Ok(Answer::NotCaught(Vec::new()));
        }
        suite.search(&self.weakening, depth)
    }

    fn is_caught_by_loom(&self) -> bool {
        matches!(self.loom, Answer::Caught(_))
    }

    fn is_caught(&self) -> bool {
        self.is_caught_by_loom() || !self.litmus.is_empty()
    }

    /// That no model notices is known of those alone that were explored to their end.
    fn is_exhausted(&self) -> Result<()> {
        match &self.loom {
            Answer::NotCaught(cut) if !cut.is_empty() => bail!(
                "{}: searched, not exhausted: {}",
                self.weakening,
                cut.join(", ")
            ),
            _ => Ok(()),
        }
    }

    /// Explained, and in one way.
    fn check(&self) -> Result<()> {
        match (self.is_caught(), &self.harmless) {
            (false, None) => bail!(
                "{}: no test notices, and no argument says why it is harmless",
                self.weakening
            ),
            (true, Some(_)) => bail!(
                "{}: an argument calls it harmless, but a test notices it",
                self.weakening
            ),
            _ => Ok(()),
        }
    }

    fn line(&self) -> String {
        let loom = match &self.loom {
            Answer::Caught(test) => format!("`{test}`"),
            Answer::NotCaught(_) => "–".to_owned(),
        };
        let litmus = match &self.litmus[..] {
            [] if self.harmless.is_some() => "harmless, see below".to_owned(),
            [] => "–".to_owned(),
            // Of several the one that says most: a fault that does not need load buffering.
            all => {
                let best = all.iter().find(|one| !one.beyond_loom).unwrap_or(&all[0]);
                let how = if best.beyond_loom {
                    " (load buffering)"
                } else {
                    ""
                };
                format!("{}{how}", best.fact)
            }
        };
        format!(
            "| `{}` | `{}` | `{}` | {loom} | {litmus} |",
            self.weakening.site.name, self.weakening.site.order, self.weakening.order
        )
    }
}

fn render(sites: &[Site], rows: &[Row]) -> String {
    let by_loom = rows.iter().filter(|row| row.is_caught_by_loom()).count();
    let caught = rows.iter().filter(|row| row.is_caught()).count();
    let harmless = rows.iter().filter(|row| row.harmless.is_some()).count();
    let relaxed = sites
        .iter()
        .filter(|site| site.weakenings().is_empty())
        .count();
    let mut text = format!(
        "<!-- Written by `cargo xtask verify table`; do not edit. -->\n\n\
         {} sites, {relaxed} of them relaxed already; {} weakenings: {by_loom} are caught by a loom test, \
         {} by a litmus test alone, {harmless} are harmless.\n\n\
         | site | ordering | weakened to | loom test that fails | fact that a litmus test finds broken |\n\
         | --- | --- | --- | --- | --- |\n",
        sites.len(),
        rows.len(),
        caught - by_loom,
    );
    for row in rows {
        text.push_str(&row.line());
        text.push('\n');
    }
    if harmless > 0 {
        text.push_str("\nHarmless, and why:\n\n");
    }
    for row in rows {
        if let Some(argument) = &row.harmless {
            let weakening = &row.weakening;
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "- `{}` as `{}`: {}",
                weakening.site.name, weakening.order, argument.text
            );
        }
    }
    text
}

/// Each weakening of a table, and the loom test that noticed it if one did.
type Memory = HashMap<String, Option<String>>;

fn remember(table: &str) -> Memory {
    let remembered = |line: &str| {
        let cells: Vec<_> = line
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'))
            .collect();
        match cells[..] {
            ["", site, _, order, test, ..] => {
                let test = test.contains("::").then(|| test.to_owned());
                Some((format!("{site}:{order}"), test))
            }
            _ => None,
        }
    };
    table.lines().filter_map(remembered).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sites::Order;
    use super::*;

    fn row(loom: Answer, litmus: Vec<Witness>, harmless: bool) -> Row {
        let site = Site {
            name: "SqPushStamp".to_owned(),
            order: Order::Release,
        };
        Row {
            weakening: Weakening {
                site,
                order: Order::Relaxed,
            },
            loom,
            litmus,
            harmless: harmless.then(|| Argument {
                weakening: "SqPushStamp:Relaxed".to_owned(),
                text: "because".to_owned(),
            }),
        }
    }

    fn witness(beyond_loom: bool) -> Witness {
        Witness {
            fact: "a fact",
            beyond_loom,
        }
    }

    #[test]
    fn a_weakening_needs_one_explanation() {
        let caught = || Answer::Caught("submission::a".to_owned());
        row(caught(), vec![], false).check().expect("loom");
        let not_caught = || Answer::NotCaught(Vec::new());
        row(not_caught(), vec![witness(true)], false)
            .check()
            .expect("litmus");
        row(not_caught(), vec![], true).check().expect("harmless");
        row(not_caught(), vec![], false)
            .check()
            .expect_err("unexplained");
        row(caught(), vec![], true)
            .check()
            .expect_err("harmless, yet caught");
    }

    #[test]
    fn a_rendered_table_remembers_its_loom_tests() {
        let rows = [row(
            Answer::Caught("submission::a".to_owned()),
            vec![witness(false)],
            false,
        )];
        let sites = [rows[0].weakening.site.clone()];
        let remembered = remember(&render(&sites, &rows));
        assert_eq!(
            remembered["SqPushStamp:Relaxed"].as_deref(),
            Some("submission::a")
        );
    }
}
