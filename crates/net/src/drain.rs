//! A graceful end: what was begun is ended, and nothing new is begun.

use std::time::Duration;

use tokio::time::timeout;

use crate::control::{Control, Stopped};

/// Lets drivers that run side by side end their calls, then stops them.
///
/// From now on none begins a call, but for emergency calls. Those in progress go on for `patience` at the longest; then they
/// are hung up, or refused where they are not answered yet, and their parties have five seconds to confirm that. No driver
/// stops before all have ended: one may carry the connections by which the calls of another go on.
///
/// [`Control::stop`] cuts this short. Dropping the future leaves the drivers without new calls, and running.
///
/// # Errors
/// [`Stopped`], if a driver stops otherwise; the others are as they then are.
pub async fn drain(drivers: &[Control], wait: Duration) -> Result<(), Stopped> {
    for driver in drivers {
        driver.drain().await?;
    }
    let live = calls(drivers).await?;
    tracing::info!(calls = live, ?wait, "draining");
    match timeout(wait, emptied(drivers)).await {
        Ok(emptied) => emptied?,
        Err(_) => {
            let left = calls(drivers).await?;
            tracing::info!(calls = left, "hanging up");
        }
    }
    for driver in drivers {
        driver.hang_up().await?;
    }
    let settled = async {
        for driver in drivers {
            driver.settled().await?;
        }
        Ok(())
    };
    match timeout(HANG_UP_GRACE, settled).await {
        Ok(settled) => settled?,
        Err(_) => tracing::debug!("not all parties confirmed the end of their calls"),
    }
    for driver in drivers {
        driver.stop().await?;
    }
    Ok(())
}

/// Waits until no driver has a call left. One that is without calls may begin an emergency call while others are waited for.
async fn emptied(drivers: &[Control]) -> Result<(), Stopped> {
    loop {
        for driver in drivers {
            driver.emptied().await?;
        }
        if calls(drivers).await? == 0 {
            return Ok(());
        }
    }
}

async fn calls(drivers: &[Control]) -> Result<u64, Stopped> {
    let mut calls = 0;
    for driver in drivers {
        calls += driver.report().await?.calls.calls_live;
    }
    Ok(calls)
}

/// How long the parties of calls that are hung up have to confirm it: some retransmissions over UDP.
const HANG_UP_GRACE: Duration = Duration::from_secs(5);
