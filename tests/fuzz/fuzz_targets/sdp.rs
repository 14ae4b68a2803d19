//! Parses, prints and edits any session description without a panic. An unedited description is printed with the same octets.
#![no_main]

use attesta_sip::Sdp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(mut sdp) = Sdp::parse(body) else { return };
    assert_eq!(sdp.to_vec(), body);
    for media in sdp.all_media() {
        let _ =
            (media.direction(), media.connection(), media.fingerprints().count(), media.formats().count());
    }
    sdp.set_connection([192, 0, 2, 1].into());
    sdp.bump_version();
    sdp.set_port(0, 4000);
    sdp.retain_attributes(|name, _| name != b"candidate");
    let again = Sdp::parse(&sdp.to_vec()).expect("an edited description can be parsed");
    assert_eq!(again.media_count(), sdp.media_count());
});
