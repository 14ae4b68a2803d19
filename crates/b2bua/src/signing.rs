//! Signing, the last step before an INVITE leaves (RFC 8224 section 6.1).

use std::time::Duration;

use attesta_sip::{Request, Status};
use attesta_stir::{Attestation, OrigId};
use bytes::Bytes;

use crate::attempt::{Path, Progress};
use crate::call::{Call, Turn};
use crate::desk::reply_tagged;
use crate::event::CallEvent;
use crate::identity::{self, Claims};
use crate::io::{Output, SignError};
use crate::policy::{DECISION_BUDGET, Policy, Question, Reply};
use crate::route::Stop;
use crate::trunk::{OnSignFailure, OutboundIdentity};
use crate::trust::{NamedSigner, SigningMeans};

/// What is told of a signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    attestation: Attestation,
    origid: OrigId,
}

impl Call {
    /// Decides whether the call is signed towards this target, and how.
    pub(crate) fn attest<P: Policy>(&mut self, turn: &mut Turn<'_, P>, stop: Stop, path: Path) {
        let Some(dialling) = self.dialling() else { return };
        let signs = stop.egress.trunk.outbound_identity == OutboundIdentity::Sign;
        if !signs || dialling.offer.is_covered() {
            return self.send_invite(turn, stop, path, None);
        }
        let planned = dialling.offer.attestation();
        let later = self.later(turn);
        match turn.policy.attest(turn.now, &self.arrival, stop.egress.trunk.name(), planned, later) {
            Reply::Now(attestation) => self.sign(turn, stop, path, attestation),
            Reply::Pending(later) => {
                let trunk = stop.egress.trunk.name().clone();
                let until = turn.now.mono + DECISION_BUDGET;
                self.set_progress(Progress::Attesting { stop, path, planned, until });
                self.ask(turn, &later, Question::Attest { arrival: self.arrival.clone(), trunk, planned });
            }
        }
    }

    /// Policy has said with which attestation the call is signed.
    pub(crate) fn attested<P: Policy>(&mut self, turn: &mut Turn<'_, P>, attestation: Option<Attestation>) {
        match self.take_progress() {
            Some(Progress::Attesting { stop, path, .. }) => {
                self.forget_question(turn);
                self.sign(turn, stop, path, attestation);
            }
            Some(other) => self.set_progress(other),
            None => {}
        }
    }

    /// Signs, by whatever means the signer has, and sends.
    pub(crate) fn sign<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        attestation: Option<Attestation>,
    ) {
        let Some(attestation) = attestation else { return self.send_invite(turn, stop, path, None) };
        let signer = self.ingress.signer_towards(&stop.egress).cloned();
        let stamp = Stamp { attestation, origid: OrigId::from_random(turn.desk.ids.bytes16()) };
        let Some(dialling) = self.dialling() else { return };
        let claims = dialling.offer.claims(attestation, stamp.origid, turn.now.unix);
        let (Some(signer), Some(claims)) = (signer, claims) else {
            return self.sign_failed(turn, stop, path, None);
        };
        let mut outgoing = self.outgoing(turn.desk, &stop, &path);
        identity::date(&mut outgoing, turn.now.unix);
        match &signer.means {
            SigningMeans::Key(key) => match claims.sign(key) {
                Ok(value) => self.signed_invite(turn, (stop, path), outgoing, &value, stamp),
                Err(why) => {
                    tracing::warn!(signer = %signer.name, %why, "not signed");
                    self.sign_failed(turn, stop, path, None);
                }
            },
            SigningMeans::Outside => self.sign_outside(turn, (stop, path), outgoing, stamp, &signer, claims),
            SigningMeans::SetAside => {
                tracing::warn!(signer = %signer.name, "the signer is set aside");
                self.sign_failed(turn, stop, path, None);
            }
        }
    }

    fn sign_outside<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        (stop, path): (Stop, Path),
        outgoing: Request,
        stamp: Stamp,
        signer: &NamedSigner,
        claims: Claims,
    ) {
        let until = turn.now.mono + SIGN_BUDGET;
        self.set_progress(Progress::Signing { stop, path, outgoing: Box::new(outgoing), stamp, until });
        let token = turn.desk.token();
        self.await_answer(turn, token);
        turn.desk.emit(Output::Sign { token, signer: signer.name.clone(), claims });
    }

    /// The answer of an outside signer.
    pub(crate) fn signed<P: Policy>(&mut self, turn: &mut Turn<'_, P>, result: Result<Bytes, SignError>) {
        match self.take_progress() {
            Some(Progress::Signing { stop, path, outgoing, stamp, .. }) => {
                self.forget_question(turn);
                match result.and_then(|value| identity::checked(value).ok_or(SignError::Invalid)) {
                    Ok(value) => self.signed_invite(turn, (stop, path), *outgoing, &value, stamp),
                    Err(why) => {
                        tracing::warn!(%why, "not signed");
                        self.sign_failed(turn, stop, path, Some(*outgoing));
                    }
                }
            }
            Some(other) => self.set_progress(other),
            None => {}
        }
    }

    fn signed_invite<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        (stop, path): (Stop, Path),
        mut outgoing: Request,
        value: &[u8],
        stamp: Stamp,
    ) {
        let Some(dialling) = self.dialling() else { return };
        dialling.offer.seal(outgoing.headers_mut(), value);
        let Stamp { attestation, origid } = stamp;
        turn.desk.counters.identity_signed += 1;
        tracing::debug!(attestation = attestation.as_str(), %origid, "signed");
        turn.tell(CallEvent::Signed { call: self.number(), at: turn.now.unix, attestation, origid });
        self.send_invite(turn, stop, path, Some(outgoing));
    }

    /// The call cannot be signed: the trunk says what follows; an emergency call goes on.
    fn sign_failed<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        outgoing: Option<Request>,
    ) {
        turn.desk.counters.identity_sign_failures += 1;
        match stop.egress.trunk.on_sign_failure {
            OnSignFailure::Reject if !self.arrival.emergency => {
                let tag = self.tag;
                let Some(dialling) = self.dialling() else { return };
                let response = reply_tagged(dialling.offer.request(), Status::SERVER_INTERNAL_ERROR, &tag);
                self.refuse(turn, response);
            }
            OnSignFailure::Reject | OnSignFailure::Continue => self.send_invite(turn, stop, path, outgoing),
        }
    }
}

/// The longest that a call waits for an outside signer.
const SIGN_BUDGET: Duration = Duration::from_millis(500);
