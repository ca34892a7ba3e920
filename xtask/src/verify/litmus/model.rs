//! Which executions the C++20 memory model allows, found by trying all of them.
//!
//! A test fixes what each event reads and writes; the question is whether a
//! consistent execution with these values exists. Consistent is what RC11 says
//! (Lahav, Vafeiadis, Kang, Hur, Dreyer: "Repairing Sequential Consistency in
//! C/C++11", 2017) with the release sequences of C++20, and with one rule left
//! out on purpose: RC11 forbids a load to see a store that depends on it in a
//! circle (`sb | rf` acyclic), while hardware and the standard allow load
//! buffering. Loom never shows it, so this is where it must be seen.

use super::relation::Relation;
use crate::verify::sites::Order;

/// A location is a number; a value too.
pub(super) type Location = usize;
pub(super) type Value = u32;

/// What an event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Read {
        from: Location,
        value: Value,
    },
    Write {
        to: Location,
        value: Value,
    },
    /// A read and a write that nothing comes between.
    Update {
        at: Location,
        old: Value,
        new: Value,
    },
    Fence,
}

/// One step of one thread; the steps of a thread are in program order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// `None`: an initial store, before every thread.
    pub(super) thread: Option<usize>,
    pub(super) action: Action,
    pub(super) order: Order,
}

impl Event {
    fn location(&self) -> Option<Location> {
        match self.action {
            Action::Read { from: at, .. }
            | Action::Write { to: at, .. }
            | Action::Update { at, .. } => Some(at),
            Action::Fence => None,
        }
    }

    fn reads(&self) -> Option<Value> {
        match self.action {
            Action::Read { value, .. } | Action::Update { old: value, .. } => Some(value),
            Action::Write { .. } | Action::Fence => None,
        }
    }

    fn writes(&self) -> Option<Value> {
        match self.action {
            Action::Write { value, .. } | Action::Update { new: value, .. } => Some(value),
            Action::Read { .. } | Action::Fence => None,
        }
    }

    fn is_fence(&self) -> bool {
        self.action == Action::Fence
    }

    fn is_update(&self) -> bool {
        matches!(self.action, Action::Update { .. })
    }
}

/// Whether a load may see a store that comes after it in a circle of program order and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadBuffering {
    Allowed,
    Forbidden,
}

/// Whether an execution exists in which every event reads and writes what it says.
pub(super) fn allowed(events: &[Event], load_buffering: LoadBuffering) -> bool {
    let program = Program::new(events);
    let mut found = false;
    program.each_modification_order(&mut |position| {
        found = found
            || program.each_source(position, &mut |source| {
                program.is_consistent(position, source, load_buffering)
            });
        found
    });
    found
}

/// The events, and what does not depend on the execution.
struct Program<'a> {
    events: &'a [Event],
    /// Sequenced before: program order, and every initial store before every thread.
    sequenced: Relation,
    /// The writing events of each location, initial store first.
    writers: Vec<Vec<usize>>,
}

/// For each writing event, its place in the modification order of its location.
type Positions = [usize];
/// For each reading event, the event whose value it reads.
type Sources = [Option<usize>];

impl<'a> Program<'a> {
    fn new(events: &'a [Event]) -> Self {
        let sequenced = Relation::of(events.len(), |a, b| {
            match (events[a].thread, events[b].thread) {
                (None, Some(_)) => true,
                (Some(first), Some(second)) => first == second && a < b,
                (_, None) => false,
            }
        });
        let locations = events.iter().filter_map(Event::location).max();
        let mut writers = vec![Vec::new(); locations.map_or(0, |last| last + 1)];
        for (number, event) in events.iter().enumerate() {
            if let (Some(location), Some(_)) = (event.location(), event.writes()) {
                writers[location].push(number);
            }
        }
        for of_location in &writers {
            let initial = |&&number: &&usize| events[number].thread.is_none();
            assert_eq!(
                of_location.iter().filter(initial).count(),
                1,
                "each location has one initial store"
            );
            assert!(of_location.first().is_some_and(|first| initial(&first)));
        }
        Self {
            events,
            sequenced,
            writers,
        }
    }

    /// Calls `visit` with every choice of a modification order for each location, until it answers `true`.
    fn each_modification_order(&self, visit: &mut impl FnMut(&Positions) -> bool) {
        let mut position = vec![0; self.events.len()];
        self.order_from(0, 1, &mut position, visit);
    }

    /// Fills place `place` of location `location`, then the places after it.
    fn order_from(
        &self,
        location: usize,
        place: usize,
        position: &mut Vec<usize>,
        visit: &mut impl FnMut(&Positions) -> bool,
    ) -> bool {
        let Some(writers) = self.writers.get(location) else {
            return visit(position);
        };
        if place >= writers.len() {
            return self.order_from(location + 1, 1, position, visit);
        }
        // Place 0 is the initial store's; a writer at 0 has no place yet.
        for &writer in &writers[1..] {
            if position[writer] == 0 {
                position[writer] = place;
                if self.order_from(location, place + 1, position, visit) {
                    return true;
                }
                position[writer] = 0;
            }
        }
        false
    }

    /// Calls `visit` with every choice of what each read reads, until it answers `true`.
    fn each_source(&self, position: &Positions, visit: &mut impl FnMut(&Sources) -> bool) -> bool {
        let mut source = vec![None; self.events.len()];
        self.source_from(0, position, &mut source, visit)
    }

    fn source_from(
        &self,
        reader: usize,
        position: &Positions,
        source: &mut Vec<Option<usize>>,
        visit: &mut impl FnMut(&Sources) -> bool,
    ) -> bool {
        let Some(event) = self.events.get(reader) else {
            return visit(source);
        };
        let (Some(value), Some(location)) = (event.reads(), event.location()) else {
            return self.source_from(reader + 1, position, source, visit);
        };
        for &writer in &self.writers[location] {
            let fits = writer != reader && self.events[writer].writes() == Some(value);
            // Nothing comes between the two halves of an update.
            let adjacent = !event.is_update() || position[reader] == position[writer] + 1;
            if fits && adjacent {
                source[reader] = Some(writer);
                if self.source_from(reader + 1, position, source, visit) {
                    return true;
                }
            }
        }
        source[reader] = None;
        false
    }

    fn is_consistent(
        &self,
        position: &Positions,
        source: &Sources,
        load_buffering: LoadBuffering,
    ) -> bool {
        let reads_from = self.relation(|a, b| source[b] == Some(a));
        let program_order_and_reads = self.sequenced.or(&reads_from);
        if load_buffering == LoadBuffering::Forbidden && !program_order_and_reads.is_acyclic() {
            return false;
        }
        let happens_before = self.sequenced.or(&self.synchronises(source)).closed();
        if !happens_before.is_irreflexive() {
            return false;
        }
        let modification = self.relation(|a, b| {
            self.same_location(a, b)
                && self.events[a].writes().is_some()
                && self.events[b].writes().is_some()
                && position[a] < position[b]
        });
        // A read comes before every write that replaces what it read.
        let read_before = self.relation(|reader, writer| {
            reader != writer && source[reader].is_some_and(|read| modification.holds(read, writer))
        });
        let coherence = reads_from.or(&modification).or(&read_before);
        let eventually = coherence.closed();
        // Coherence: nothing that happens before is contradicted by what is read or overwritten.
        happens_before.then(&eventually.or_same()).is_irreflexive()
            && self.has_total_order(&happens_before, &modification.or(&read_before), &eventually)
    }

    /// Synchronises-with: from a release, through a chain of updates, to an acquire.
    fn synchronises(&self, source: &Sources) -> Relation {
        let mut synchronises = Relation::empty(self.events.len());
        for reader in 0..self.events.len() {
            let mut head = source[reader];
            while let Some(writer) = head {
                for from in self.releases_of(writer) {
                    for to in self.acquires_of(reader) {
                        if self.events[from].thread != self.events[to].thread {
                            synchronises.insert(from, to);
                        }
                    }
                }
                // C++20: only updates carry a release sequence on, no other store of the same thread.
                head = source[writer];
            }
        }
        synchronises
    }

    /// The write itself, and the fences before it, as far as they release.
    fn releases_of(&self, writer: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.events.len()).filter(move |&event| {
            self.events[event].order.releases()
                && (event == writer
                    || self.events[event].is_fence() && self.sequenced.holds(event, writer))
        })
    }

    /// The read itself, and the fences after it, as far as they acquire.
    fn acquires_of(&self, reader: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.events.len()).filter(move |&event| {
            self.events[event].order.acquires()
                && (event == reader
                    || self.events[event].is_fence() && self.sequenced.holds(reader, event))
        })
    }

    /// Whether one order of all sequentially consistent accesses and fences fits (RC11's `psc`).
    fn has_total_order(
        &self,
        happens_before: &Relation,
        overwrites: &Relation,
        eventually: &Relation,
    ) -> bool {
        let strongest = |event: usize| self.events[event].order == Order::SeqCst;
        let fence = |event: usize| strongest(event) && self.events[event].is_fence();
        let access = |event: usize| strongest(event) && !self.events[event].is_fence();

        let other_location = |a: usize, b: usize| !self.same_location(a, b);
        let elsewhere = self.sequenced.only(other_location);
        let before = self
            .sequenced
            .or(&elsewhere.then(happens_before).then(&elsewhere))
            .or(&happens_before.only(|a, b| self.same_location(a, b)))
            .or(overwrites);
        let maybe_before = happens_before.or_same();
        let entry = maybe_before
            .only(|a, _| fence(a))
            .or(&self.relation(|a, b| a == b && access(a)));
        let exit = maybe_before
            .only(|_, b| fence(b))
            .or(&self.relation(|a, b| a == b && access(a)));
        let through_accesses = entry.then(&before).then(&exit);
        let through_fences = happens_before
            .or(&happens_before.then(eventually).then(happens_before))
            .only(|a, b| fence(a) && fence(b));
        through_accesses.or(&through_fences).is_acyclic()
    }

    fn same_location(&self, a: usize, b: usize) -> bool {
        self.events[a].location().is_some()
            && self.events[a].location() == self.events[b].location()
    }

    fn relation(&self, holds: impl FnMut(usize, usize) -> bool) -> Relation {
        Relation::of(self.events.len(), holds)
    }
}
