//! Parses any value of any typed header without a panic. A printed value parses to an equal value.
#![no_main]

use attesta_sip::*;
use libfuzzer_sys::fuzz_target;

macro_rules! check {
    ($value:expr; $($type:ident)*) => {$(
        if let Ok(read) = $type::parse($value) {
            let printed = read.to_string();
            // Octets that are not UTF-8 do not survive `Display`.
            if std::str::from_utf8($value).is_ok() {
                let again = $type::parse(printed.as_bytes());
                let again = again.unwrap_or_else(|error| panic!("{}: {printed:?}: {error}", stringify!($type)));
                assert_eq!(again.to_string(), printed, stringify!($type));
            }
            let _ = format!("{read:?}");
        }
    )*};
}

fuzz_target!(|value: &[u8]| {
    for value in Values::list(value) {
        check!(value; Via From To Route RecordRoute PAssertedIdentity ReferTo ReferredBy Contact Diversion
            HistoryInfo Identity Reason Warning Accept Allow Require Supported CallInfo Geolocation
            ResourcePriority Privacy);
    }
    check!(value; CSeq CallId MaxForwards Date ContentType ContentDisposition Event SubscriptionState
        SessionExpires MinSe Expires RSeq RAck Timestamp RetryAfter Replaces Authorization WwwAuthenticate
        UserAgent);
    if let Ok(authentication) = Authentication::parse(value) {
        assert!(authentication.params().count() > 0);
    }
    if let Ok(params) = Params::parse(value) {
        assert_eq!(params.iter().count(), params.len());
    }
});
