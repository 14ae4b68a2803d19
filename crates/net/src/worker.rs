//! A thread that runs one driver.

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

/// A thread with its own tokio runtime. The thread waits for its driver.
///
/// The driver and its sockets must be created [within](Self::within) the worker.
pub struct Worker {
    runtime: Option<Runtime>,
    job: mpsc::Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Worker {
    /// Creates a worker without a driver.
    ///
    /// # Errors
    /// The operating system provides no thread, or the runtime cannot wait for sockets.
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

    /// Runs `work` in the worker's runtime context, on the calling thread.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _guard = self.runtime.as_ref().map(Runtime::enter);
        work()
    }

    /// Runs a driver that was created [within](Self::within) this worker. The future ends with the driver. Dropping the future
    /// stops the driver at once. A panic of the driver becomes a panic of the future.
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
            // The results of running lookups are not needed.
            runtime.shutdown_background();
            if let Some(report) = report {
                // An error means that the future was dropped and needs no report.
                let _ = done.send(report);
            }
        };
        // The thread waits for exactly one job.
        let _ = self.job.send(Box::new(job));
        async move {
            let _halt = halt;
            match report.await {
                Ok(report) => report,
                Err(_) => self.thread_ended().await,
            }
        }
    }

    /// The thread has ended without a report. The driver has panicked, or dropping the future stopped the driver.
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
        // A thread must not wait for a runtime within another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
