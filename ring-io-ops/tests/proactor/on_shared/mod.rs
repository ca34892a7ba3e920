//! What works with both proactors, with the one of many threads.

#[path = "../chain.rs"]
mod chain;
#[path = "../events.rs"]
mod events;
#[path = "../fs.rs"]
mod fs;
#[path = "../links.rs"]
mod links;
#[path = "../net/mod.rs"]
mod net;
#[path = "../path.rs"]
mod path;
#[path = "../pipe.rs"]
mod pipe;
#[path = "../registered.rs"]
mod registered;
#[path = "../registered_files.rs"]
mod registered_files;

use std::convert::Infallible;
use std::ops::Deref;
use std::pin::Pin;
/// What shares on this side.
pub(crate) use std::sync::Arc as Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ring_io_ops::proactor::{
    AsHandle, Batching, BuildError, Leftover, ProactorBuilder, RawOperation,
};
pub(crate) use ring_io_ops::proactor::{Proactor as Handle, SharedPool as Pool};
use ring_io_ops::{Nop, Operation};

pub(crate) use crate::skip::skip;

/// A proactor, and an executor for the thread of a test: together they do what the proactor of one thread does.
pub(crate) struct Runner {
    executor: smol::LocalExecutor<'static>,
    proactor: Handle,
}

impl Runner {
    pub(crate) fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    pub(crate) fn builder() -> Builder {
        Builder(Handle::builder())
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::future::block_on(self.executor.run(future))
    }

    pub(crate) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Spawned<T> {
        Spawned(Some(self.executor.spawn(future)))
    }

    /// When it returns, the kernel has what was pushed before.
    pub(crate) fn submit_now(&self) {
        if self.proactor.in_flight() < self.proactor.capacity() {
            // SAFETY: the entry lends nothing.
            let nop = unsafe { RawOperation::new(Nop::new().to_sqe(), ()) };
            let _ = smol::future::block_on(self.proactor.start(nop));
        }
    }

    pub(crate) fn shutdown(self, grace: Duration) -> Result<(), Leftover> {
        let Self { executor, proactor } = self;
        drop(executor);
        proactor.shutdown(grace)
    }
}

impl Deref for Runner {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.proactor
    }
}

impl AsHandle for Runner {
    type Handle = Handle;

    fn as_handle(&self) -> &Handle {
        &self.proactor
    }
}

pub(crate) struct Builder(ProactorBuilder);

impl Builder {
    pub(crate) fn in_flight(self, completions: u32) -> Self {
        Self(self.0.in_flight(completions))
    }

    pub(crate) fn batching(self, batching: Batching) -> Self {
        Self(self.0.batching(batching))
    }

    pub(crate) fn registered_files(self, slots: u32) -> Self {
        Self(self.0.registered_files(slots))
    }

    pub(crate) fn build(self) -> Result<Runner, BuildError> {
        Ok(Runner {
            executor: smol::LocalExecutor::new(),
            proactor: self.0.build()?,
        })
    }
}

/// A task that goes on by itself when this is dropped.
pub(crate) struct Spawned<T>(Option<smol::Task<T>>);

impl<T> Future for Spawned<T> {
    type Output = Result<T, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.0.as_mut().expect("it is there until the drop");
        Pin::new(task).poll(context).map(Ok)
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.detach();
        }
    }
}
