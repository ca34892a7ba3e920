//! `cargo xtask features`: each library crate and the example `cp` alone, with none, its default, and all features.
//!
//! Building the workspace as a whole joins the features that its crates ask of
//! each other, so that a crate which only works beside its siblings goes
//! unnoticed there. A feature that others build on is seen alone too: in the
//! other sets it is there with all of them or not at all.

use std::collections::BTreeSet;
use std::fmt;
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
        packages = all_but_xtask()?;
        Ok(())
    })?;
    for package in &packages {
        for set in Set::distinct(package) {
            let mut selection = vec!["--package", package.name.as_str()];
            selection.extend(set.options());
            let name = format!("{}, {set}", package.name);
            test::command_step(report, &format!("clippy: {name}"), test::clippy(&selection))?;
            if set.is_tested_here(package) {
                let mut command = workspace::cargo(["test", "--no-fail-fast"]);
                command.args(&selection);
                test::test_step(report, &format!("tests: {name}"), command, deny_skips)?;
            }
        }
    }
    Ok(())
}

/// The library crates and the example `cp`. Some of xtask's features take long to build, and say nothing of the library.
fn all_but_xtask() -> Result<Vec<Package>> {
    let mut packages = workspace::metadata()?.packages;
    packages.retain(|package| package.name.as_str() != env!("CARGO_PKG_NAME"));
    Ok(packages)
}

/// Which features of a crate are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set<'a> {
    Default,
    None,
    All,
    /// One that others build on, without them and without the default.
    Alone(&'a str),
}

impl<'a> Set<'a> {
    /// The sets of `package`, without those that turn on the same features as one before.
    fn distinct(package: &'a Package) -> Vec<Self> {
        let features = package.features.iter();
        // `default` asks for what has a set of its own.
        let asked_for = features
            .filter(|(name, _)| *name != "default")
            .flat_map(|(_, asked_for)| asked_for);
        // What is no feature of this crate is no key.
        let alone = asked_for
            .filter_map(|name| package.features.get_key_value(name))
            .map(|(name, _)| Self::Alone(name));
        let mut seen = Vec::new();
        let mut sets = Vec::new();
        for set in [Self::Default, Self::None, Self::All]
            .into_iter()
            .chain(alone)
        {
            let features = set.features(package);
            if !seen.contains(&features) {
                seen.push(features);
                sets.push(set);
            }
        }
        sets
    }

    fn features(self, package: &'a Package) -> BTreeSet<&'a str> {
        let mut on = BTreeSet::new();
        let mut pending: Vec<&str> = match self {
            Self::Default => vec!["default"],
            Self::None => vec![],
            Self::All => package.features.keys().map(String::as_str).collect(),
            Self::Alone(name) => vec![name],
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

    /// Whether its tests run here, and not in `cargo xtask test`, which goes before.
    fn is_tested_here(self, package: &'a Package) -> bool {
        let mut tested = Self::Default.features(package);
        match self {
            Self::Default => {}
            Self::None | Self::Alone(_) => return true,
            Self::All => tested.extend(test::FEATURES.split(',').filter_map(|feature| {
                feature
                    .strip_prefix(package.name.as_str())?
                    .strip_prefix('/')
            })),
        }
        self.features(package) != tested
    }

    fn options(self) -> Vec<&'a str> {
        match self {
            Self::Default => vec![],
            Self::None => vec!["--no-default-features"],
            Self::All => vec!["--all-features"],
            Self::Alone(name) => vec!["--no-default-features", "--features", name],
        }
    }
}

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default features"),
            Self::None => f.write_str("no features"),
            Self::All => f.write_str("all features"),
            Self::Alone(name) => write!(f, "`{name}` alone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_sets(features: &str, expected: &[Set<'_>]) {
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
        let features = r#"{"default": ["a"], "a": ["dep:b"], "c": []}"#;
        assert_sets(features, &[Set::Default, Set::None, Set::All]);
    }

    #[test]
    fn a_feature_that_others_build_on_is_seen_alone() {
        let features =
            r#"{"default": ["a"], "a": ["x/a"], "b": ["dep:b"], "c": ["b"], "d": ["b"]}"#;
        assert_sets(
            features,
            &[Set::Default, Set::None, Set::All, Set::Alone("b")],
        );
    }
}
