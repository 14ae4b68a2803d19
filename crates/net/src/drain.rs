//! An orderly shutdown. Calls in progress may end, and no new calls begin.

use std::time::Duration;

use tokio::time::timeout;

use crate::control::{Control, Stopped};

/// Ends the calls of drivers that run side by side, and then stops the drivers.
///
/// From now on, a driver accepts only emergency calls. Calls in progress continue for at most `wait`. Then answered calls get a
/// BYE, and other calls are refused. Their parties have five seconds to respond. No driver stops before all drivers are done,
/// because the calls of one driver may use the connections of another.
///
/// [`Control::stop`] ends this wait early. If the future is dropped, the drivers continue to run without new calls.
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

/// Waits until no driver has a call. The loop checks all drivers again, because a driver may accept an emergency call while the
/// loop waits for another driver.
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

/// The time that the parties of ended calls have to respond: a few retransmissions over UDP.
const HANG_UP_GRACE: Duration = Duration::from_secs(5);
