//! A subscriber that keeps what it is told.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// One event, with its fields as text.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) fields: Vec<(&'static str, String)>,
}

impl Told {
    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        &found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

/// Keeps every event; whoever clones it sees the same.
#[derive(Clone, Default)]
pub(crate) struct Collector {
    told: Arc<Mutex<Vec<Told>>>,
    /// What happens at each event besides.
    also: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Collector {
    pub(crate) fn that_also(f: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            also: Some(Arc::new(f)),
            ..Self::default()
        }
    }

    /// Listens to this thread while `f` runs.
    pub(crate) fn hears<R>(&self, f: impl FnOnce() -> R) -> R {
        keep_some();
        tracing::subscriber::with_default(self.clone(), f)
    }

    /// Listens to this thread as long as it lives.
    pub(crate) fn stays(&self) {
        keep_some();
        std::mem::forget(tracing::subscriber::set_default(self.clone()));
    }

    pub(crate) fn all(&self) -> Vec<Told> {
        self.told.lock().expect("nobody panics with it").clone()
    }

    /// What was told under one target.
    pub(crate) fn of(&self, target: &str) -> Vec<Told> {
        let mut all = self.all();
        all.retain(|told| told.target == target);
        all
    }
}

/// Keeps two subscribers for ever that nobody tells anything.
///
/// Where a process has just one, `tracing` asks the thread that comes to an event first whether it is of interest; that
/// thread may be another test's, without a subscriber, and then whoever has one hears nothing. The first of the two wants
/// nothing, so that no thread comes to an event before there are two.
fn keep_some() {
    static KEPT: OnceLock<[Dispatch; 2]> = OnceLock::new();
    KEPT.get_or_init(|| {
        [
            Dispatch::new(NoSubscriber::default()),
            Dispatch::new(Collector::default()),
        ]
    });
}

struct Texts<'a>(&'a mut Vec<(&'static str, String)>);

impl Visit for Texts<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ring_io")
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Vec::new();
        event.record(&mut Texts(&mut fields));
        self.told.lock().expect("nobody panics with it").push(Told {
            target: event.metadata().target(),
            level: *event.metadata().level(),
            fields,
        });
        if let Some(also) = &self.also {
            also();
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
