//! The limits on the work for one message: signature checks and certificate fetches. Callers choose the tokens.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::cert::credential::Credential;
use crate::verify::facts::MAX_IDENTITIES;
use crate::x5u::X5u;

/// The results of the signature checks of one message.
///
/// A message that waits for certificates is verified several times. The results are kept between these verifications. The
/// message therefore costs at most 8 signature checks in all, nested PASSporTs included.
#[derive(Clone, Debug, Default)]
pub struct SignatureResults {
    results: SmallVec<[SignatureResult; 1]>,
}

#[derive(Clone, Debug)]
struct SignatureResult {
    position: Position,
    credential: Arc<Credential>,
    valid: bool,
}

/// The position of a token in its message: the number of the Identity header field, and the number of tokens that contain the
/// token.
pub(super) type Position = (usize, usize);

impl SignatureResults {
    /// The number of signature checks so far.
    pub fn checks(&self) -> usize {
        self.results.len()
    }

    /// The result for the token at `position` with the key of `credential`: the kept result, or the result of `check`. `None`
    /// if the message has used up its signature checks.
    pub(super) fn result(
        &mut self,
        position: Position,
        credential: &Arc<Credential>,
        check: impl FnOnce() -> bool,
    ) -> Option<bool> {
        let is_same =
            |kept: &&SignatureResult| kept.position == position && Arc::ptr_eq(&kept.credential, credential);
        if let Some(kept) = self.results.iter().find(is_same) {
            return Some(kept.valid);
        }
        if self.results.len() >= MAX_SIGNATURE_CHECKS {
            return None;
        }
        let valid = check();
        self.results.push(SignatureResult { position, credential: Arc::clone(credential), valid });
        Some(valid)
    }
}

/// The certificates that one verification requests.
#[derive(Debug, Default)]
pub(super) struct Wanted(Vec<X5u>);

impl Wanted {
    /// Requests the certificate of `url`, unless the message has reached its limit.
    pub(super) fn add(&mut self, url: X5u) {
        if self.0.len() < MAX_WANTED && !self.0.contains(&url) {
            self.0.push(url);
        }
    }

    pub(super) fn into_urls(self) -> Vec<X5u> {
        self.0
    }
}

/// The largest number of tokens in a message, nested tokens included. A message therefore names at most this number of
/// certificate URLs.
pub(super) const MAX_TOKENS: usize = MAX_IDENTITIES;

/// The largest number of signature checks for one message.
const MAX_SIGNATURE_CHECKS: usize = 8;

/// The largest number of certificates that a message requests at once. A message that needs more requests the others when the
/// first have arrived.
const MAX_WANTED: usize = 4;
