//! The measured operations, and the ring operation that each of them contains.

use std::cell::OnceCell;
use std::hint::black_box;
use std::sync::Arc;

use attesta_stir::cert::{Credential, Snapshot};
use attesta_stir::{Div, Facts, Identity, IdentityField, Signer, Verdict, Verifier, VerifyPolicy};
use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};

use attesta_benches::sti::{Fixture, Provider, callee, caller, claims, now, number};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) floor: Option<Floor>,
    /// The most instructions that the operation may take, without those of ring.
    pub(crate) limit: Option<i64>,
    /// True if the operation must not allocate.
    pub(crate) warm: bool,
    /// The number of providers in the fixture.
    pub(crate) providers: usize,
}

impl Row {
    const fn new(name: &'static str) -> Self {
        Self { name, floor: None, limit: None, warm: false, providers: 1 }
    }

    const fn beside(mut self, floor: Floor) -> Self {
        self.floor = Some(floor);
        self
    }

    const fn at_most(mut self, instructions: i64) -> Self {
        self.limit = Some(instructions);
        self
    }

    const fn warm(mut self) -> Self {
        self.warm = true;
        self
    }

    const fn of(mut self, providers: usize) -> Self {
        self.providers = providers;
        self
    }
}

/// The number of providers whose calls a busy verifier receives.
pub(crate) const PROVIDERS: usize = 4_000;

/// The ring operation that another operation contains.
#[derive(Clone, Copy)]
pub(crate) enum Floor {
    Sign,
    Verify,
    VerifyMany,
}

impl Floor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sign => "ring sign",
            Self::Verify => "ring verify",
            Self::VerifyMany => "ring verify, 4000 keys",
        }
    }
}

pub(crate) const ROWS: &[Row] = &[
    Row::new("ring sign").warm(),
    Row::new("sign").beside(Floor::Sign).at_most(4_000).warm(),
    Row::new("jsonwebtoken sign").beside(Floor::Sign),
    Row::new("ring verify").warm(),
    Row::new("verify, one key").beside(Floor::Verify).at_most(9_000).warm(),
    Row::new("ring verify, 4000 keys").warm().of(PROVIDERS),
    Row::new("verify, 4000 keys").beside(Floor::VerifyMany).at_most(9_000).warm().of(PROVIDERS),
    Row::new("verify, div x 3").beside(Floor::Verify),
    Row::new("verify, rcd").beside(Floor::Verify),
    Row::new("verify, cold").beside(Floor::Verify),
    Row::new("jsonwebtoken verify").beside(Floor::Verify),
    Row::new("refuse bad base64").warm(),
    Row::new("refuse wrong dest").warm(),
    Row::new("refuse stale").warm(),
];

/// The data that the operations use.
pub(crate) struct Bench {
    fixture: Fixture,
    snapshot: OnceCell<Arc<Snapshot>>,
    verifier: Verifier,
    caller: [Identity; 1],
    callee: [Identity; 1],
    other: [Identity; 1],
    ring: EcdsaKeyPair,
    random: SystemRandom,
    signer: Signer,
    /// For each provider: its public key, the signed octets and the signature.
    bare: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
}

impl Bench {
    pub(crate) fn new(fixture: Fixture) -> Self {
        let first = fixture.providers.first().expect("a provider");
        let random = SystemRandom::new();
        let ring =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &first.pkcs8, &random).expect("a key");
        let signer = first.signer();
        Self {
            snapshot: OnceCell::new(),
            verifier: Verifier::new(fixture.anchors.clone(), VerifyPolicy::default()),
            caller: [caller()],
            callee: [callee()],
            other: [number("12155559999")],
            ring,
            random,
            signer,
            bare: fixture.providers.iter().map(Provider::bare).collect(),
            fixture,
        }
    }

    /// Returns the fixture, so that another run can repeat the operations.
    pub(crate) fn fixture(&self) -> &Fixture {
        &self.fixture
    }

    pub(crate) fn floor(&self, floor: Floor) -> Box<dyn FnMut() + '_> {
        self.operation(floor.name()).expect("a floor is an operation")
    }

    pub(crate) fn operation(&self, name: &str) -> Option<Box<dyn FnMut() + '_>> {
        Some(match name {
            "ring sign" => {
                let (_, signed, _) = self.bare.first()?;
                Box::new(|| {
                    black_box(self.ring.sign(&self.random, black_box(signed)).expect("a signature"));
                })
            }
            "ring verify" => {
                let bare = self.bare.first()?;
                Box::new(|| verify_bare(bare))
            }
            "ring verify, 4000 keys" => {
                let mut order = Order::new(self.bare.len());
                Box::new(move || verify_bare(self.bare.get(order.next()).expect("a provider")))
            }
            "sign" => self.sign(),
            "verify, one key" => {
                let field = self.first().field();
                Box::new(move || self.verify(field, self.snapshot(), Verdict::Pass))
            }
            "verify, 4000 keys" => self.verify_many(),
            "verify, div x 3" => self.verify_diverted(),
            "verify, rcd" => self.verify_rich(),
            "verify, cold" => self.verify_cold(),
            "refuse bad base64" => {
                let field = IdentityField { token: b"e*.e30.AAAA", ..self.first().field() };
                Box::new(move || self.verify(field, self.snapshot(), Verdict::Fail))
            }
            "refuse wrong dest" => {
                let field = self.first().field();
                Box::new(move || self.refuse(field, &self.other, 0))
            }
            "refuse stale" => {
                let field = self.first().field();
                Box::new(move || self.refuse(field, &self.callee, 61))
            }
            "jsonwebtoken sign" => self.sign_jsonwebtoken(),
            "jsonwebtoken verify" => self.verify_jsonwebtoken(),
            _ => return None,
        })
    }

    /// Returns the known certificates. A run that counts only ring's instructions has no snapshot.
    fn snapshot(&self) -> &Snapshot {
        self.snapshot.get_or_init(|| self.fixture.snapshot())
    }

    fn first(&self) -> &Provider {
        self.fixture.providers.first().expect("a provider")
    }

    fn sign(&self) -> Box<dyn FnMut() + '_> {
        let [caller] = &self.caller;
        let signer = &self.signer;
        let mut out = Vec::with_capacity(1024);
        Box::new(move || {
            out.clear();
            signer.sign_shaken(&claims(black_box(caller), &self.callee), &mut out).expect("a signature");
            black_box(&out);
        })
    }

    fn verify(&self, field: IdentityField<'_>, snapshot: &Snapshot, expected: Verdict) {
        let fields = [black_box(field)];
        let facts = Facts::new(&fields).orig(&self.caller).dest(&self.callee);
        assert_eq!(self.verifier.verify(&facts, snapshot, now()).verdict(), expected);
    }

    fn refuse(&self, field: IdentityField<'_>, dest: &[Identity], later: u64) {
        let fields = [black_box(field)];
        let facts = Facts::new(&fields).orig(&self.caller).dest(dest);
        let moment = std::time::Duration::from_secs(now().as_secs() + later);
        let verification =
            self.verifier.verify(&facts, self.snapshot(), attesta_stir::UnixTime::since_unix_epoch(moment));
        assert_eq!(verification.verdict(), Verdict::Fail);
    }

    /// Verifies a call of another provider each time, in pseudorandom order.
    fn verify_many(&self) -> Box<dyn FnMut() + '_> {
        let fields: Vec<_> = self.fixture.providers.iter().map(Provider::field).collect();
        let mut order = Order::new(fields.len());
        Box::new(move || {
            let field = fields.get(order.next()).expect("a provider");
            self.verify(*field, self.snapshot(), Verdict::Pass);
        })
    }

    /// Verifies a call that was diverted three times. Such a call has four signatures.
    fn verify_diverted(&self) -> Box<dyn FnMut() + '_> {
        let provider = self.first();
        let [caller] = &self.caller;
        let stations = ["12155551213", "12155551214", "12155551215", "12155551216"].map(number);
        let divert = |from: &Identity, to: &Identity| {
            let mut value = Vec::new();
            let claims = Div { dest: std::slice::from_ref(to), diverted: from, iat: now(), orig: caller };
            self.signer.sign_div(&claims, &mut value).expect("a signature");
            String::from_utf8(value).expect("ASCII")
        };
        let values: Vec<String> =
            stations.iter().zip(stations.iter().skip(1)).map(|(from, to)| divert(from, to)).collect();
        let target = number("12155551216");
        Box::new(move || {
            let mut fields = vec![provider.field()];
            fields.extend(values.iter().map(|value| IdentityField {
                token: value.split(';').next().unwrap_or_default().as_bytes(),
                ppt: Some("div"),
                ..provider.field()
            }));
            let facts = Facts::new(black_box(&fields)).orig(&self.caller).dest(&self.callee).target(&target);
            let verification = self.verifier.verify(&facts, self.snapshot(), now());
            assert!(verification.findings().iter().all(|finding| finding.reason().is_none()));
        })
    }

    /// Verifies rich call data with digests of its name and of its jCard.
    fn verify_rich(&self) -> Box<dyn FnMut() + '_> {
        let provider = self.first();
        let url = &provider.url;
        let header = format!(r#"{{"alg":"ES256","ppt":"rcd","typ":"passport","x5u":"{url}"}}"#);
        let (nam, jcd) =
            (r#""Example""#, r#"["vcard",[["version",{},"text","4.0"],["fn",{},"text","Example"]]]"#);
        let digest = |json: &str| {
            let digest = ring::digest::digest(&ring::digest::SHA256, json.as_bytes());
            format!("sha256-{}", BASE64_STANDARD_NO_PAD.encode(digest))
        };
        let payload = format!(
            r#"{{"crn":"Delivery","dest":{{"tn":["12155551213"]}},"iat":{},"orig":{{"tn":"12155551212"}},"rcd":{{"jcd":{jcd},"nam":{nam}}},"rcdi":{{"/jcd":"{}","/nam":"{}"}}}}"#,
            now().as_secs(),
            digest(jcd),
            digest(nam)
        );
        let token = provider.token_of(&header, &payload);
        Box::new(move || {
            let fields = [IdentityField { token: token.as_bytes(), ppt: Some("rcd"), ..provider.field() }];
            let facts = Facts::new(black_box(&fields)).orig(&self.caller).dest(&self.callee);
            let verification = self.verifier.verify(&facts, self.snapshot(), now());
            assert!(verification.findings().iter().all(|finding| finding.reason().is_none()));
        })
    }

    /// Parses the bundle, finds its path and verifies the call. This is a cache miss without the fetch.
    fn verify_cold(&self) -> Box<dyn FnMut() + '_> {
        let provider = self.first();
        let field = provider.field();
        Box::new(move || {
            let mut credential = Credential::parse(black_box(provider.bundle.as_bytes())).expect("a chain");
            credential.validate(self.verifier.anchors(), now());
            assert_eq!(credential.path_error(self.verifier.anchors()), None);
            self.verify(field, self.snapshot(), Verdict::Pass);
        })
    }

    fn sign_jsonwebtoken(&self) -> Box<dyn FnMut() + '_> {
        let key = EncodingKey::from_ec_der(&self.first().pkcs8);
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("passport".to_owned());
        header.x5u = Some(self.first().url.as_str().to_owned());
        let claims = Claims::new();
        Box::new(move || {
            black_box(jsonwebtoken::encode(&header, black_box(&claims), &key).expect("a token"));
        })
    }

    fn verify_jsonwebtoken(&self) -> Box<dyn FnMut() + '_> {
        let key = DecodingKey::from_ec_der(self.ring.public_key().as_ref());
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let token = self.first().token();
        Box::new(move || {
            black_box(
                jsonwebtoken::decode::<Claims>(black_box(token), &key, &validation).expect("a valid token"),
            );
        })
    }
}

fn verify_bare((key, signed, signature): &(Vec<u8>, Vec<u8>, Vec<u8>)) {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
    key.verify(black_box(signed), signature).expect("a valid signature");
}

/// Places in a list, in a pseudorandom order that is the same in each run.
struct Order {
    state: u64,
    length: usize,
}

impl Order {
    fn new(length: usize) -> Self {
        Self { state: 0x2545_f491_4f6c_dd1d, length }
    }

    fn next(&mut self) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state).unwrap_or_default() % self.length
    }
}

/// The claims of `shaken`, for jsonwebtoken.
#[derive(Serialize, Deserialize)]
struct Claims {
    attest: String,
    dest: Dest,
    iat: u64,
    orig: Orig,
    origid: String,
}

#[derive(Serialize, Deserialize)]
struct Dest {
    tn: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Orig {
    tn: String,
}

impl Claims {
    fn new() -> Self {
        Self {
            attest: "A".to_owned(),
            dest: Dest { tn: vec!["12155551213".to_owned()] },
            iat: now().as_secs(),
            orig: Orig { tn: "12155551212".to_owned() },
            origid: "07070707-0707-4707-8707-070707070707".to_owned(),
        }
    }
}
