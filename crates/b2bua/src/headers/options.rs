//! Lists of option tags: Supported and Require (RFC 3261 sections 20.32 and 20.37).

use attesta_sip::{Headers, Name};

/// The option tag of reliable provisional responses (RFC 3262 section 8.1).
pub(crate) const RELIABLE: &str = "100rel";

/// True if this list has the option.
pub(crate) fn has(headers: &Headers, list: Name, option: &str) -> bool {
    headers.values(list).any(|each| each.eq_ignore_ascii_case(option.as_bytes()))
}

/// True if the sender of a request supports the option: the request names the option in Supported or Require.
pub(crate) fn supports(headers: &Headers, option: &str) -> bool {
    has(headers, Name::Supported, option) || has(headers, Name::Require, option)
}

/// Adds the option to this list.
pub(crate) fn add(headers: &mut Headers, list: Name, option: &str) {
    if !headers.contains(list) {
        headers.push(list, option);
        return;
    }
    if has(headers, list, option) {
        return;
    }
    let mut options = all(headers, list);
    options.push(option.to_owned());
    headers.set(list, options.join(", "));
}

/// Removes the option from this list.
pub(crate) fn remove(headers: &mut Headers, list: Name, option: &str) {
    if !has(headers, list, option) {
        return;
    }
    let mut others = all(headers, list);
    others.retain(|each| !each.eq_ignore_ascii_case(option));
    if others.is_empty() {
        headers.remove(list);
    } else {
        headers.set(list, others.join(", "));
    }
}

fn all(headers: &Headers, list: Name) -> Vec<String> {
    headers.values(list).map(|option| String::from_utf8_lossy(option).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_added_and_removed_once() {
        let mut headers = Headers::new();
        headers.push(Name::Supported, "timer, 100REL");
        add(&mut headers, Name::Supported, RELIABLE);
        assert_eq!(all(&headers, Name::Supported), ["timer", "100REL"]);
        assert!(supports(&headers, RELIABLE));
        remove(&mut headers, Name::Supported, RELIABLE);
        assert_eq!(all(&headers, Name::Supported), ["timer"]);
        remove(&mut headers, Name::Supported, "timer");
        assert!(!headers.contains(Name::Supported));
        add(&mut headers, Name::Require, RELIABLE);
        assert!(supports(&headers, RELIABLE) && !has(&headers, Name::Supported, RELIABLE));
    }
}
