//! What the kernel has: one place for each operation in flight, and the number that its completions carry.

use std::sync::Arc;

use super::flight::Flight;

/// Operations in flight. A number names a place and its generation, so that a late cancel finds nobody.
#[derive(Default)]
pub(super) struct Table {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Place {
    generation: u32,
    flight: Option<Arc<dyn Flight>>,
}

impl Table {
    pub(super) fn with_capacity(n: usize) -> Self {
        Self {
            places: Vec::with_capacity(n),
            free: Vec::with_capacity(n),
        }
    }

    /// Takes an operation in; answers the user data of its entry, and lends it.
    pub(super) fn insert(&mut self, flight: Arc<dyn Flight>) -> (u64, &dyn Flight) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            // Fewer than 2^17: there is credit for no more.
            self.places.len() as u32 - 1
        });
        let place = &mut self.places[index as usize];
        debug_assert!(place.flight.is_none(), "a free place is empty");
        let user_data = u64::from(index) | u64::from(place.generation) << 32;
        (user_data, &**place.flight.insert(flight))
    }

    fn place(&mut self, user_data: u64) -> Option<&mut Place> {
        // The low half is the place.
        self.places
            .get_mut(user_data as u32 as usize)
            .filter(|place| place.generation == (user_data >> 32) as u32)
    }

    /// The operation with this number, if it is in flight.
    pub(super) fn get(&mut self, user_data: u64) -> Option<&Arc<dyn Flight>> {
        self.place(user_data)?.flight.as_ref()
    }

    /// All operations in flight.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Flight>> {
        self.places.iter().filter_map(|place| place.flight.as_ref())
    }

    /// Lets go of an operation that has ended.
    pub(super) fn remove(&mut self, user_data: u64) -> Option<Arc<dyn Flight>> {
        let place = self.place(user_data)?;
        let flight = place.flight.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(user_data as u32);
        Some(flight)
    }

    pub(super) const fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Leaks what is left: the kernel may still use what it owns.
    pub(super) fn leak(&mut self) {
        for place in &mut self.places {
            std::mem::forget(place.flight.take());
        }
    }
}
