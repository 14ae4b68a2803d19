//! Builds a request and its response: `cargo run --example build`.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use attesta_sip::{Date, Method, Name, NameAddr, Request, Response, Status, Uri};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let caller =
        NameAddr::new(Uri::parse(b"sip:alice@example.com")?).with_display("Alice").ok_or("a display name")?;
    let date = Date::from_unix(1_289_690_940).ok_or("a date")?;

    let request = Request::builder(Method::Message, "sip:bob@example.net")
        .via("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds")
        .from(format!("{caller};tag=1928301774"))
        .to("<sip:bob@example.net>")
        .call_id("a84b4c76e66710")
        .cseq(1)
        .header(Name::Date, date.to_string())
        .body("text/plain", "Watson, come here.")
        .build();
    print!("{}\n\n", String::from_utf8_lossy(&request.to_bytes()));

    let mut response = Response::to_request(&request, Status::OK);
    response.set_to_tag("a6c85cf");
    print!("{}", String::from_utf8_lossy(&response.to_bytes()));
    Ok(())
}
