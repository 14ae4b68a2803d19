//! Signing, the last step before an INVITE is sent (RFC 8224 section 6.1).

use std::time::Duration;

use attesta_sip::{Method, Request, Status};
use attesta_stir::{Attestation, OrigId};
use bytes::Bytes;

use crate::config::trust::SigningMeans;
use crate::env::Env;
use crate::event::CallEvent;
use crate::hunt::progress::{Attempt, Attested, Progress};
use crate::hunt::{Hunt, HuntStep, refused};
use crate::identity::claims::{add_date, checked};
use crate::intake::origin::Origin;
use crate::io::{Output, SignError};
use crate::policy::{DECISION_BUDGET, Question, Reply};
use crate::trunk::rules::{OnSignFailure, OutboundIdentity};

impl Hunt {
    /// Decides whether and how the call is signed towards this target. A MESSAGE is not signed.
    pub(super) fn attest(&mut self, attempt: Attempt, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        let signs = attempt.trunk().outbound_identity == OutboundIdentity::Sign
            && *self.request().method() == Method::Invite;
        if !signs || self.request.is_covered() {
            return self.send(attempt, None, origin, env);
        }
        let planned = self.request.attestation();
        let later = env.later();
        match env.policy.attest(env.now, &origin.arrival, attempt.trunk().name(), planned, later) {
            Reply::Now(attestation) => self.sign(attempt, attestation, origin, env),
            Reply::Pending(later) => {
                let trunk = attempt.trunk().name().clone();
                let until = env.now.mono + DECISION_BUDGET;
                self.progress = Progress::Attesting { attempt, planned, until };
                self.forget_question(env);
                let question = Question::Attest { arrival: origin.arrival.clone(), trunk, planned };
                self.asked = Some(env.ask(origin.owner, &later, question));
                HuntStep::Goes
            }
        }
    }

    /// Handles the decision of the policy about the attestation of the signature.
    pub(crate) fn on_attested(
        &mut self,
        attestation: Option<Attestation>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        match self.take_progress() {
            Progress::Attesting { attempt, .. } => {
                self.forget_question(env);
                self.sign(attempt, attestation, origin, env)
            }
            other @ (Progress::Idle
            | Progress::Resolving { .. }
            | Progress::Signing { .. }
            | Progress::Connecting { .. }
            | Progress::Trying { .. }
            | Progress::Ringing { .. }) => self.put_back(other),
        }
    }

    /// Handles a policy that did not answer in time. The call is refused. An emergency call is signed as planned instead.
    pub(super) fn undecided(
        &mut self,
        planned: Option<Attestation>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        if origin.arrival.emergency {
            return self.on_attested(planned, origin, env);
        }
        tracing::warn!(trunk = %origin.arrival.trunk, "policy did not answer in time: refused with 503");
        self.abandon(None, env);
        refused(origin.reply(self.request(), Status::SERVICE_UNAVAILABLE))
    }

    /// Signs with the signer's key or through the outside signer, then sends. Without an attestation, sends unsigned.
    fn sign(
        &mut self,
        attempt: Attempt,
        attestation: Option<Attestation>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        let Some(attestation) = attestation else { return self.send(attempt, None, origin, env) };
        let signer = origin.ingress.signer_towards(&attempt.target.egress).cloned();
        let attested = Attested { attestation, origid: OrigId::from_random(env.ids.bytes16()) };
        let claims = self.request.claims(attestation, attested.origid, env.now.unix);
        let (Some(signer), Some(claims)) = (signer, claims) else {
            return self.sign_failed(attempt, None, origin, env);
        };
        let mut outgoing = self.build_request(&attempt, origin, env);
        add_date(&mut outgoing, env.now.unix);
        match &signer.means {
            SigningMeans::Key(key) => match claims.sign(key) {
                Ok(value) => self.send_signed(attempt, outgoing, &value, attested, origin, env),
                Err(why) => {
                    tracing::warn!(signer = %signer.name, %why, "call not signed");
                    self.sign_failed(attempt, None, origin, env)
                }
            },
            SigningMeans::Outside => {
                let (until, outgoing) = (env.now.mono + SIGN_BUDGET, Box::new(outgoing));
                self.progress = Progress::Signing { attempt, outgoing, attested, until };
                self.forget_question(env);
                let token = env.token(origin.owner);
                self.asked = Some(token);
                env.out.push_back(Output::Sign { token, signer: signer.name.clone(), claims });
                HuntStep::Goes
            }
            SigningMeans::OutOfService => {
                tracing::warn!(signer = %signer.name, "call not signed: the signer is out of service");
                self.sign_failed(attempt, None, origin, env)
            }
        }
    }

    /// Handles the answer of an outside signer.
    pub(crate) fn on_signed(
        &mut self,
        result: Result<Bytes, SignError>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        match self.take_progress() {
            Progress::Signing { attempt, outgoing, attested, .. } => {
                self.forget_question(env);
                match result.and_then(|value| checked(value).ok_or(SignError::Invalid)) {
                    Ok(value) => self.send_signed(attempt, *outgoing, &value, attested, origin, env),
                    Err(why) => {
                        tracing::warn!(%why, "call not signed");
                        self.sign_failed(attempt, Some(*outgoing), origin, env)
                    }
                }
            }
            other @ (Progress::Idle
            | Progress::Resolving { .. }
            | Progress::Attesting { .. }
            | Progress::Connecting { .. }
            | Progress::Trying { .. }
            | Progress::Ringing { .. }) => self.put_back(other),
        }
    }

    fn send_signed(
        &mut self,
        attempt: Attempt,
        mut outgoing: Request,
        value: &[u8],
        attested: Attested,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        self.request.add_identity(outgoing.headers_mut(), value);
        let Attested { attestation, origid } = attested;
        env.counters.identity_signed += 1;
        tracing::debug!(attestation = attestation.as_str(), %origid, "signed");
        env.tell(CallEvent::Signed { call: origin.arrival.call, at: env.now.unix, attestation, origid });
        self.send(attempt, Some(outgoing), origin, env)
    }

    /// Handles a call that cannot be signed. The trunk's configuration decides whether the call continues. An emergency
    /// call always continues.
    fn sign_failed(
        &mut self,
        attempt: Attempt,
        outgoing: Option<Request>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        env.counters.identity_sign_failures += 1;
        match attempt.trunk().on_sign_failure {
            OnSignFailure::Reject if !origin.arrival.emergency => {
                refused(origin.reply(self.request(), Status::SERVER_INTERNAL_ERROR))
            }
            OnSignFailure::Reject | OnSignFailure::Continue => self.send(attempt, outgoing, origin, env),
        }
    }
}

/// The longest time that a call waits for an outside signer.
const SIGN_BUDGET: Duration = Duration::from_millis(500);
