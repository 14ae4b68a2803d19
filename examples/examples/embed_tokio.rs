//! Runs an edge in a program that has a tokio runtime. The edge signs calls from this machine, and the program prints
//! the events of the calls.
//!
//! Try it: `cargo run --example embed_tokio`, then call `sip:+12025550100@127.0.0.1:5060`.

use std::error::Error;
use std::net::SocketAddr;

use attesta::{CallEvent, Edge, Ephemeral, Numbers, Policy, Route, RouteTo, Trunk, VerifyPolicy};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example prints its events")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Serves the certificate as long as this value lives.
    let ephemeral = Ephemeral::start().await?;
    let edge = edge(&ephemeral, ([127, 0, 0, 1], 5060).into())?;
    for (transport, address) in edge.listeners() {
        println!("listening on {transport} {address}");
    }
    serve(edge, |event| println!("{event:?}")).await;
    Ok(())
}

/// Returns an edge at `address` that signs with the certificate of `ephemeral` and answers the numbers +12025550100 to
/// +12025550199 itself.
pub(crate) fn edge(ephemeral: &Ephemeral, address: SocketAddr) -> Result<Edge, Box<dyn Error>> {
    let callers = Trunk::new("callers").source("127.0.0.0/8".parse()?).numbers(Numbers::any());
    let edge = Edge::builder()
        .listen(address)
        .trunk(callers.vouched_by("throw-away"))
        .route(Route::new(RouteTo::RequestUri))
        .sign_with("throw-away", ephemeral.signer()?)
        .verify("default", ephemeral.anchors()?, VerifyPolicy::default().ports(ephemeral.ports()))
        .fetch(ephemeral.fetch_config())
        .callee(vec!["+120255501".parse()?])
        .events(1024)
        .build()?;
    Ok(edge)
}

/// Runs the edge, and in parallel a task that reads its events.
pub(crate) async fn serve<P: Policy + Send + 'static>(
    mut edge: Edge<P>,
    mut on_event: impl FnMut(CallEvent),
) {
    let events = edge.events();
    let reading = async {
        let Some(mut events) = events else { return };
        while let Some(event) = events.next().await {
            on_event(event);
        }
    };
    tokio::join!(edge.run(), reading);
}
