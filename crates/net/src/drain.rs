//! An orderly shutdown: calls in progress may end, and no new calls begin.

use std::time::Duration;

use tokio::time::timeout;

use crate::control::{Control, Stopped};

/// Lets drivers that run side by side end their calls, then stops them.
///
/// From now on no driver begins a call, except emergency calls. Calls in progress continue for at most `wait`. Then
/// answered calls are hung up, and the others are refused. Their parties have five seconds to confirm. No driver stops
/// before all drivers are done: a driver may own the connections that calls of another driver use.
///
/// [`Control::stop`] ends this early. If the future is dropped, the drivers keep running without new calls.
///
/// # Errors
/// [`Stopped`], if a driver stops for another reason. The other drivers stay in their current state.
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
            tracing::info!(calls = left, "hanging up the remaining calls");
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
        Err(_) => tracing::debug!("some parties did not confirm the end of their calls"),
    }
    for driver in drivers {
        driver.stop().await?;
    }
    Ok(())
}

/// Waits until no driver has a call. The loop checks again, since a driver without calls may begin an emergency call
/// while the loop waits for another driver.
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

/// How long the parties of hung-up calls have to confirm: a few retransmissions over UDP.
const HANG_UP_GRACE: Duration = Duration::from_secs(5);
