//! A thread that does nothing but drive.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use attesta_b2bua::Policy;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::control::Report;
use crate::driver::Driver;

/// A thread with a tokio runtime of its own, which waits for the driver that it is to run.
///
/// What a driver waits for must be made within its worker: the sockets, and the driver itself.
pub struct Worker {
    runtime: Option<Runtime>,
    job: mpsc::Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Worker {
    /// A worker that does nothing yet.
    ///
    /// # Errors
    /// The operating system gives no thread, or no means to wait for sockets.
    pub fn new(name: impl Into<String>) -> io::Result<Worker> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (job, jobs) = mpsc::channel::<Job>();
        let work = move || {
            if let Ok(job) = jobs.recv() {
                job();
            }
        };
        let thread = thread::Builder::new().name(name.into()).spawn(work)?;
        Ok(Worker { runtime: Some(runtime), job, thread: Some(thread) })
    }

    /// Does something within the worker, on the calling thread.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _guard = self.runtime.as_ref().map(Runtime::enter);
        work()
    }

    /// Runs a driver that was made [within](Self::within) this worker. The future ends with the driver; dropping it ends the
    /// driver at once. A panic in the driver is one in the future.
    pub fn run<P: Policy + Send + 'static>(
        mut self,
        driver: Driver<P>,
    ) -> impl Future<Output = Report> + Send + 'static {
        let (halt, halted) = oneshot::channel::<Infallible>();
        let (done, report) = oneshot::channel();
        let runtime = self.runtime.take();
        let job = move || {
            let Some(runtime) = runtime else { return };
            let report = runtime.block_on(async {
                tokio::select! {
                    report = driver.run() => Some(report),
                    _ = halted => None,
                }
            });
            // Lookups that the system is still busy with are nobody's any more.
            runtime.shutdown_background();
            if let Some(report) = report {
                // Whoever has gone away needs no report.
                let _ = done.send(report);
            }
        };
        // The thread waits for just this.
        let _ = self.job.send(Box::new(job));
        async move {
            let _halt = halt;
            match report.await {
                Ok(report) => report,
                Err(_) => self.thread_ended().await,
            }
        }
    }

    /// The thread has ended without a report: by a panic, or since it was halted, which ends this future too.
    async fn thread_ended(mut self) -> Report {
        let thread = self.thread.take().map(JoinHandle::join);
        if let Some(Err(panic)) = thread {
            std::panic::resume_unwind(panic);
        }
        pending().await
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // To wait for a runtime is not allowed within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
