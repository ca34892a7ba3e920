//! `cargo xtask features`: each library crate alone, with none, its default, and all features.
//!
//! Building the workspace as a whole joins the features that its crates ask of
//! each other, so that a crate which only works beside its siblings goes
//! unnoticed there.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use cargo_metadata::Package;

use crate::report::{Report, Stop};
use crate::{kernel, test, vendor, workspace};

/// Runs all steps and prints the summary.
pub(crate) fn run(deny_skips: bool) -> Result<ExitCode> {
    kernel::require_io_uring()?;
    vendor::run()?;
    Ok(Report::of(|report| steps(report, deny_skips)))
}

/// Clippy for each crate and set; tests where `test` has not run them with that set.
pub(crate) fn steps(report: &mut Report, deny_skips: bool) -> Result<(), Stop> {
    let mut packages = Vec::new();
    report.step("list of features", "cargo metadata --no-deps", |_| {
        packages = libraries()?;
        Ok(())
    })?;
    for package in &packages {
        for set in Set::distinct(package) {
            let mut selection = vec!["--package", package.name.as_str()];
            selection.extend(set.option());
            let name = format!("{}, {} features", package.name, set.name());
            test::command_step(report, &format!("clippy: {name}"), test::clippy(&selection))?;
            if !set.is_tested_already(package) {
                let mut command = workspace::cargo(["test", "--no-fail-fast"]);
                command.args(&selection);
                test::test_step(report, &format!("tests: {name}"), command, deny_skips)?;
            }
        }
    }
    Ok(())
}

/// The crates that are published: all but xtask and the example `cp`.
fn libraries() -> Result<Vec<Package>> {
    let packages = workspace::metadata()?.packages;
    // `publish = false` comes out as an empty list of registries.
    Ok(packages
        .into_iter()
        .filter(|package| package.publish.as_ref().is_none_or(|to| !to.is_empty()))
        .collect())
}

/// Which features of a crate are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Default,
    None,
    All,
}

impl Set {
    /// The sets of `package`, without those that turn on the same features as one before.
    fn distinct(package: &Package) -> Vec<Self> {
        let mut seen = Vec::new();
        let mut sets = Vec::new();
        for set in [Self::Default, Self::None, Self::All] {
            let features = set.features(package);
            if !seen.contains(&features) {
                seen.push(features);
                sets.push(set);
            }
        }
        sets
    }

    fn features(self, package: &Package) -> BTreeSet<&str> {
        let mut on = BTreeSet::new();
        let mut pending: Vec<&str> = match self {
            Self::Default => vec!["default"],
            Self::None => vec![],
            Self::All => package.features.keys().map(String::as_str).collect(),
        };
        while let Some(name) = pending.pop() {
            // What is no feature of this crate (`dep:name`, `name/feature`) comes with the feature that asks for it.
            if let Some((name, more)) = package.features.get_key_value(name)
                && on.insert(name.as_str())
            {
                pending.extend(more.iter().map(String::as_str));
            }
        }
        // By itself it turns nothing on.
        on.remove("default");
        on
    }

    /// Whether `cargo xtask test`, which goes before, runs the tests with these features on.
    fn is_tested_already(self, package: &Package) -> bool {
        let mut tested = Self::Default.features(package);
        if self == Self::All {
            tested.extend(test::FEATURES.split(',').filter_map(|feature| {
                feature
                    .strip_prefix(package.name.as_str())?
                    .strip_prefix('/')
            }));
        }
        self != Self::None && self.features(package) == tested
    }

    fn option(self) -> Option<&'static str> {
        match self {
            Self::Default => None,
            Self::None => Some("--no-default-features"),
            Self::All => Some("--all-features"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::None => "no",
            Self::All => "all",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_sets(features: &str, expected: &[Set]) {
        let text = format!(
            r#"{{"name": "a", "version": "0.1.0", "id": "a", "dependencies": [], "targets": [],
                "manifest_path": "/a/Cargo.toml", "features": {features}}}"#
        );
        let package: Package = serde_json::from_str(&text).expect("a package");
        assert_eq!(Set::distinct(&package), expected);
    }

    #[test]
    fn a_crate_without_features_is_built_once() {
        assert_sets("{}", &[Set::Default]);
    }

    #[test]
    fn all_is_left_out_when_the_default_is_all() {
        assert_sets(
            r#"{"default": ["c"], "c": ["dep:cc"]}"#,
            &[Set::Default, Set::None],
        );
    }

    #[test]
    fn a_feature_outside_the_default_makes_three_sets() {
        let features = r#"{"default": ["a"], "a": ["b"], "b": [], "c": []}"#;
        assert_sets(features, &[Set::Default, Set::None, Set::All]);
    }
}
