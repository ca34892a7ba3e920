//! How a litmus test is written down: threads of steps that name their sites.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::model::{self, Action, Event, LoadBuffering, Value};
use crate::verify::sites::{Order, Site, Weakening};

/// An outcome that must not be: what each step of a few threads would read and write in it.
#[derive(Debug)]
pub(super) struct Litmus {
    /// The fact that the outcome would break.
    pub(super) name: &'static str,
    /// The edge of the argument in `ring_io::concurrent` that forbids it.
    pub(super) edge: &'static str,
    /// Every location with its first value.
    pub(super) initial: &'static [(&'static str, Value)],
    pub(super) threads: &'static [&'static [Step]],
}

/// One access of one thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    at: At,
    access: Access,
}

/// Where the ordering of a step comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// A named site of the ring; one that is weakened in turn.
    Site(&'static str),
    /// The kernel's side, or a step whose ordering says nothing in this test.
    Fixed(Order),
}

#[derive(Clone, Copy, Debug)]
enum Access {
    Read(&'static str, Value),
    Write(&'static str, Value),
    Update(&'static str, Value, Value),
    Fence,
}

/// A load that sees `value`.
pub(super) const fn read(location: &'static str, at: At, value: Value) -> Step {
    let access = Access::Read(location, value);
    Step { at, access }
}

/// A store of `value`.
pub(super) const fn write(location: &'static str, at: At, value: Value) -> Step {
    let access = Access::Write(location, value);
    Step { at, access }
}

/// A read-modify-write that sees `old` and leaves `new`.
pub(super) const fn update(location: &'static str, at: At, old: Value, new: Value) -> Step {
    let access = Access::Update(location, old, new);
    Step { at, access }
}

/// A fence.
pub(super) const fn fence(at: At) -> Step {
    let access = Access::Fence;
    Step { at, access }
}

/// A step of a plain or relaxed access that is no site.
pub(super) const PLAIN: At = At::Fixed(Order::Relaxed);
/// `smp_load_acquire`, and what a control dependency orders like one.
pub(super) const ACQUIRE: At = At::Fixed(Order::Acquire);
/// `smp_store_release`.
pub(super) const RELEASE: At = At::Fixed(Order::Release);
/// A lock or a full handshake outside the protocol.
pub(super) const BOTH: At = At::Fixed(Order::AcqRel);
/// `smp_mb` as a fence.
pub(super) const FULL: At = At::Fixed(Order::SeqCst);

/// A step that takes its ordering from the site `name`.
pub(super) const fn site(name: &'static str) -> At {
    At::Site(name)
}

/// Whether a bad outcome can come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Forbidden,
    Allowed,
    /// Only where a load is satisfied after a store that follows it: loom cannot show it.
    AllowedByLoadBuffering,
}

impl Litmus {
    /// The sites that its steps name.
    pub(super) fn sites(&self) -> impl Iterator<Item = &'static str> + '_ {
        let steps = self.threads.iter().copied().flatten();
        steps.filter_map(|step| match step.at {
            At::Site(name) => Some(name),
            At::Fixed(_) => None,
        })
    }

    /// The verdict with the orderings of `sites`, one of them weakened or none.
    pub(super) fn verdict(&self, sites: &[Site], weakened: Option<&Weakening>) -> Result<Verdict> {
        let events = self.events(|name| match weakened {
            Some(weakening) if weakening.site.name == name => Some(weakening.order),
            _ => sites
                .iter()
                .find(|site| site.name == name)
                .map(|site| site.order),
        })?;
        Ok(if model::allowed(&events, LoadBuffering::Forbidden) {
            Verdict::Allowed
        } else if model::allowed(&events, LoadBuffering::Allowed) {
            Verdict::AllowedByLoadBuffering
        } else {
            Verdict::Forbidden
        })
    }

    fn events(&self, order_of: impl Fn(&str) -> Option<Order>) -> Result<Vec<Event>> {
        let locations: BTreeMap<_, _> = self
            .initial
            .iter()
            .map(|(name, _)| *name)
            .zip(0..)
            .collect();
        let location = |name: &str| {
            let number = locations.get(name).copied();
            number.with_context(|| format!("litmus {}: `{name}` has no first value", self.name))
        };
        let mut events = Vec::new();
        for &(name, value) in self.initial {
            events.push(Event {
                thread: None,
                action: Action::Write {
                    to: location(name)?,
                    value,
                },
                order: Order::Relaxed,
            });
        }
        for (thread, steps) in self.threads.iter().enumerate() {
            for step in *steps {
                let order = match step.at {
                    At::Fixed(order) => order,
                    At::Site(name) => order_of(name).with_context(|| {
                        format!("litmus {}: no site is called `{name}`", self.name)
                    })?,
                };
                let action = match step.access {
                    Access::Read(name, value) => Action::Read {
                        from: location(name)?,
                        value,
                    },
                    Access::Write(name, value) => Action::Write {
                        to: location(name)?,
                        value,
                    },
                    Access::Update(name, old, new) => Action::Update {
                        at: location(name)?,
                        old,
                        new,
                    },
                    Access::Fence => Action::Fence,
                };
                events.push(Event {
                    thread: Some(thread),
                    action,
                    order,
                });
            }
        }
        Ok(events)
    }
}
