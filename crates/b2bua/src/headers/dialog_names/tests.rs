//! Tests of the names of dialogs.

use super::*;

const OURS: &str = "at0007030123456789abcdef";
const PLACE: WorkerPlace = WorkerPlace { instance: 7, worker: 3 };

fn name(call_id: &str, to_tag: &str, from_tag: &str) -> DialogName {
    let [call_id, to_tag, from_tag] = [call_id, to_tag, from_tag].map(|text| owned(text.as_bytes()));
    DialogName { call_id, to_tag, from_tag }
}

fn request(method: Method, fields: &[(Name, &str)]) -> Request {
    let mut request = Request::new(method, "sip:b@192.0.2.1");
    for (name, value) in fields {
        request.headers_mut().push(*name, value);
    }
    request
}

/// The header fields of the request after the mapping of each dialog of ours to `other`.
fn mapped(method: Method, fields: &[(Name, &str)]) -> Result<Vec<String>, Unmapped> {
    let mut request = request(method, fields);
    map_names(&mut request, &mut |_, found| match found.place(PLACE.instance) {
        Some(_) => Mapping::To(name("c@other", "carol", "at0007030000000000000002")),
        None => Mapping::Foreign,
    })?;
    Ok(request.headers().iter().map(|field| String::from_utf8_lossy(field.value()).into_owned()).collect())
}

#[test]
fn names_are_read_from_each_header_field() {
    let read = |field, value: &str| DialogName::parse(field, value.as_bytes());
    assert_eq!(read(Name::Replaces, "a@b ; from-tag = 2;x;TO-TAG=1"), Some(name("a@b", "1", "2")));
    assert_eq!(read(Name::Join, "a;to-tag=1;from-tag=2"), Some(name("a", "1", "2")));
    assert_eq!(read(Name::TargetDialog, "a;local-tag=1;remote-tag=2"), Some(name("a", "1", "2")));
    for bad in [
        "",
        "a",
        "a;to-tag=1",
        ";to-tag=1;from-tag=2",
        "a;to-tag=1;to-tag=1;from-tag=2",
        "a b;to-tag=1;from-tag=2",
    ] {
        assert_eq!(read(Name::Replaces, bad), None, "{bad}");
    }
    assert_eq!(read(Name::TargetDialog, "a;to-tag=1;from-tag=2"), None);
}

#[test]
fn a_tag_of_ours_names_its_worker() {
    assert_eq!(name("a", OURS, "x").place(7), Some(PLACE));
    assert_eq!(name("a", "x", OURS).place(7), Some(PLACE));
    assert_eq!(name("a", OURS, "x").place(8), None, "a tag of another edge");
    assert_eq!(name("a", "x", "y").place(7), None);
}

#[test]
fn names_of_ours_are_mapped_with_their_other_parameters() {
    let replaces = format!("a@b;to-tag={OURS};from-tag=alice;early-only;x=\"a;b\"");
    let other = "c@other;to-tag=carol;from-tag=at0007030000000000000002;early-only;x=\"a;b\"";
    assert_eq!(mapped(Method::Invite, &[(Name::Replaces, &replaces)]), Ok(vec![other.to_owned()]));
    let target = format!("a@b;remote-tag=alice;local-tag={OURS}");
    let other = "c@other;local-tag=carol;remote-tag=at0007030000000000000002";
    assert_eq!(mapped(Method::Refer, &[(Name::TargetDialog, &target)]), Ok(vec![other.to_owned()]));
}

#[test]
fn names_of_others_cross_octet_for_octet() {
    for (field, value) in [
        (Name::TargetDialog, "a@b ;  local-tag=1;remote-tag=2"),
        (Name::ReferTo, "<sip:carol@c?Replaces=a%40b%3Bto-tag%3D1%3bfrom-tag%3D2&Require=replaces>;x=1"),
        (Name::ReferTo, "<sip:carol@c>"),
        (Name::ReferTo, "sip:carol@c;method=INVITE"),
        (Name::ReferTo, "<tel:+12155551212>"),
        (Name::ReferTo, "no address at all"),
    ] {
        assert_eq!(mapped(Method::Refer, &[(field, value)]), Ok(vec![value.to_owned()]));
    }
}

#[test]
fn replaces_in_a_refer_to_is_mapped() {
    let refer_to = format!(
        "\"C, the \\\"third\\\"\" <sip:carol@c;user=phone?replaces=a%40b%3Bto-tag%3D{OURS}%3Bfrom-tag%3Dalice&Subject=a%20b>;x=1"
    );
    let other = "\"C, the \\\"third\\\"\" <sip:carol@c;user=phone?replaces=c%40other%3Bto-tag%3Dcarol%3Bfrom-tag%3D\
        at0007030000000000000002&Subject=a%20b>;x=1";
    assert_eq!(mapped(Method::Refer, &[(Name::ReferTo, &refer_to)]), Ok(vec![other.to_owned()]));
}

#[test]
fn contradictory_and_long_names_are_refused() {
    let (one, two) = ("a;to-tag=1;from-tag=2", "b;to-tag=1;from-tag=2");
    for (method, fields) in [
        (Method::Invite, vec![(Name::Replaces, one), (Name::Replaces, two)]),
        (Method::Invite, vec![(Name::Replaces, one), (Name::Join, two)]),
        (Method::Refer, vec![(Name::Replaces, one)]),
        (Method::Invite, vec![(Name::Join, "a;to-tag=1")]),
        (Method::Refer, vec![(Name::ReferTo, "<sip:c@c>"), (Name::ReferTo, "<sip:d@d>")]),
        (Method::Refer, vec![(Name::ReferTo, "<sip:c@c?Replaces=a>")]),
    ] {
        assert_eq!(mapped(method, &fields), Err(Unmapped::Malformed), "{fields:?}");
    }
    let many = format!("<sip:c@c?{}>", "A=b&".repeat(MAX_EMBEDDED + 1));
    assert_eq!(mapped(Method::Refer, &[(Name::ReferTo, &many)]), Err(Unmapped::Malformed));
    let long = format!("<sip:c@c?Subject={}>", "x".repeat(MAX_REFER_TO));
    assert_eq!(mapped(Method::Refer, &[(Name::ReferTo, &long)]), Err(Unmapped::TooLong));
}

#[test]
fn a_request_that_is_not_mapped_is_unchanged() {
    let (known, unknown) = ("a;local-tag=1;remote-tag=2", "<sip:c?Replaces=b%3Bto-tag%3D1%3Bfrom-tag%3D2>");
    let mut refer = request(Method::Refer, &[(Name::TargetDialog, known), (Name::ReferTo, unknown)]);
    let failed = map_names(&mut refer, &mut |_, found| match &found.call_id[..] {
        b"a" => Mapping::To(name("x", "y", "z")),
        _ => Mapping::Elsewhere(PLACE),
    });
    assert_eq!(failed, Err(Unmapped::Ask(PLACE, name("b", "1", "2"))));
    assert_eq!(refer.headers().get(Name::TargetDialog), Some(known.as_bytes()));
}
