//! Parses any URI without a panic. A parsed URI is equal to itself, and its parts rebuild the URI.
#![no_main]

use attesta_sip::Uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(uri) = Uri::parse(text) else { return };
    assert_eq!(uri.as_bytes(), text);
    assert!(uri.is_equivalent(&uri));
    assert_eq!(uri.params().iter().count(), uri.params().len());
    let _ = format!("{uri:?} {uri}");
    if let Some(sip) = uri.as_sip() {
        let mut built = if sip.secure() { b"sips:".to_vec() } else { b"sip:".to_vec() };
        if let Some(user) = sip.user() {
            built.extend_from_slice(user);
            if let Some(password) = sip.password() {
                built.push(b':');
                built.extend_from_slice(password);
            }
            built.push(b'@');
        }
        built.extend_from_slice(sip.host().to_string().as_bytes());
        if let Some(port) = sip.port() {
            built.extend_from_slice(format!(":{port}").as_bytes());
        }
        built.extend_from_slice(sip.params().as_bytes());
        if !sip.headers_raw().is_empty() {
            built.push(b'?');
            built.extend_from_slice(sip.headers_raw());
        }
        let again = Uri::parse(&built).expect("the parts make up a URI");
        assert!(sip.params().len() > 64 || again.is_equivalent(&uri) || sip.headers().count() > 64);
        let _ = sip.user_unescaped();
    }
});
