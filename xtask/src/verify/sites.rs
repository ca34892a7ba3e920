//! The named memory orderings of the shared ring, as its source states them.
//!
//! `ring-io/src/concurrent/order.rs` holds one line a site, `Name = Ordering,`.
//! This module reads those lines, so nothing here can drift from the code.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace;

/// Where the sites are declared, from the workspace root.
pub(crate) const SOURCE: &str = "ring-io/src/concurrent/order.rs";

/// A memory ordering, or the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// A fence that is not there.
    Dropped,
    Relaxed,
    Acquire,
    Release,
    AcqRel,
    SeqCst,
}

impl Order {
    /// Whether what came before in the thread is passed on.
    pub(crate) fn releases(self) -> bool {
        matches!(self, Self::Release | Self::AcqRel | Self::SeqCst)
    }

    /// Whether what another thread passed on is taken over.
    pub(crate) fn acquires(self) -> bool {
        matches!(self, Self::Acquire | Self::AcqRel | Self::SeqCst)
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "Relaxed" => Self::Relaxed,
            "Acquire" => Self::Acquire,
            "Release" => Self::Release,
            "AcqRel" => Self::AcqRel,
            "SeqCst" => Self::SeqCst,
            _ => return None,
        })
    }
}

/// As `RING_IO_MUTATE` takes it: a dropped fence is `None`.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dropped => "None",
            Self::Relaxed => "Relaxed",
            Self::Acquire => "Acquire",
            Self::Release => "Release",
            Self::AcqRel => "AcqRel",
            Self::SeqCst => "SeqCst",
        })
    }
}

/// One ordering of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) order: Order,
}

impl Site {
    /// A fence alone can be dropped; its name says that it is one.
    fn is_fence(&self) -> bool {
        self.name.ends_with("Fence")
    }

    /// Every ordering that promises less, the strongest first.
    pub(crate) fn weakenings(&self) -> Vec<Order> {
        use Order::{AcqRel, Acquire, Dropped, Relaxed, Release, SeqCst};
        let weaker: &[Order] = match self.order {
            Dropped | Relaxed => &[],
            Acquire | Release => &[Relaxed],
            AcqRel => &[Acquire, Release, Relaxed],
            SeqCst => &[AcqRel, Acquire, Release, Relaxed],
        };
        // There is no relaxed fence: it would order nothing.
        let instead = |order| match order {
            Relaxed if self.is_fence() => Dropped,
            order => order,
        };
        weaker.iter().copied().map(instead).collect()
    }
}

/// One site made weaker: what each part of the verification is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weakening {
    pub(crate) site: Site,
    pub(crate) order: Order,
}

/// As `RING_IO_MUTATE` takes it.
impl fmt::Display for Weakening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.site.name, self.order)
    }
}

/// All sites in the order of the source.
pub(crate) fn read() -> Result<Vec<Site>> {
    let path = workspace::root().join(SOURCE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {SOURCE}"))?;
    parse(&text)
}

/// Each site with each of its weakenings.
pub(crate) fn weakenings(sites: &[Site]) -> Vec<Weakening> {
    let of = |site: &Site| {
        let site = site.clone();
        let orders = site.weakenings().into_iter();
        orders.map(move |order| Weakening {
            site: site.clone(),
            order,
        })
    };
    sites.iter().flat_map(of).collect()
}

fn parse(text: &str) -> Result<Vec<Site>> {
    let mut sites: Vec<Site> = Vec::new();
    for line in text.lines() {
        let Some((name, order)) = line.trim().split_once(" = ") else {
            continue;
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        let (Some(order), true) = (order.strip_suffix(','), is_name) else {
            continue;
        };
        let Some(order) = Order::parse(order) else {
            bail!("{SOURCE}: `{name}` has the unknown ordering `{order}`");
        };
        ensure!(
            sites.iter().all(|site| site.name != name),
            "{SOURCE}: `{name}` is there twice"
        );
        sites.push(Site {
            name: name.to_owned(),
            order,
        });
    }
    ensure!(
        !sites.is_empty(),
        "{SOURCE} declares no site: one line each, `Name = Ordering,`"
    );
    Ok(sites)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str, order: Order) -> Site {
        Site {
            name: name.to_owned(),
            order,
        }
    }

    #[test]
    fn sites_are_read_line_by_line() {
        let text = "sites! {\n    /// Why.\n    SqPopHeadLoad = Acquire,\n\n    SqWakeFence = SeqCst,\n}\nlet x = 3;\n";
        assert_eq!(
            parse(text).expect("two sites"),
            [
                site("SqPopHeadLoad", Order::Acquire),
                site("SqWakeFence", Order::SeqCst)
            ]
        );
    }

    #[test]
    fn a_file_without_sites_is_an_error() {
        parse("enum Site {}").expect_err("no site");
        parse("A = Acquire,\nA = Release,").expect_err("twice");
        parse("A = Aquire,").expect_err("misspelt");
    }

    #[test]
    fn a_fence_is_dropped_where_another_access_is_relaxed() {
        use Order::{AcqRel, Acquire, Dropped, Relaxed, Release, SeqCst};
        assert_eq!(
            site("WakeFence", SeqCst).weakenings(),
            [AcqRel, Acquire, Release, Dropped]
        );
        assert_eq!(
            site("Cas", AcqRel).weakenings(),
            [Acquire, Release, Relaxed]
        );
        assert_eq!(site("Load", Acquire).weakenings(), [Relaxed]);
        assert_eq!(site("Hint", Relaxed).weakenings(), []);
        let weakening = Weakening {
            site: site("WakeFence", SeqCst),
            order: Dropped,
        };
        assert_eq!(weakening.to_string(), "WakeFence:None");
    }
}
