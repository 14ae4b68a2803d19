//! An edge inside a program of one's own: calls from this machine are signed, and what happens in them is printed.
//!
//! Try it: `cargo run --example embed`, then call `sip:+12025550100@127.0.0.1:5060`.

use attesta::{Edge, Ephemeral, Numbers, Route, RouteTo, Trunk, VerifyPolicy};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what happens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ephemeral = Ephemeral::start().await?;
    let callers = Trunk::new("callers").source("127.0.0.0/8".parse()?).numbers(Numbers::any());
    let mut edge = Edge::builder()
        .listen(([127, 0, 0, 1], 5060))
        .trunk(callers.vouched_by("throw-away"))
        .route(Route::new(RouteTo::RequestUri))
        .sign_with("throw-away", ephemeral.signer()?)
        .verify("default", ephemeral.anchors()?, VerifyPolicy::default().ports(ephemeral.ports()))
        .fetch(ephemeral.fetch_config())
        .callee(vec!["+120255501".parse()?])
        .events(1024)
        .build()?;

    let mut events = edge.events().ok_or("the builder asked for events")?;
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            println!("{event:?}");
        }
    });
    for (transport, address) in edge.listeners() {
        println!("listening on {transport} {address}");
    }
    edge.run().await;
    Ok(())
}
