//! An indirect CRL (RFC 5280 section 5) as issued by the STI-PA: one list for the certificates of every STI-CA.

use rcgen::{KeyPair, SigningKey};
use yasna::models::{ObjectIdentifier, UTCTime};
use yasna::{DERWriter, Tag};

use super::der::{Name, write_directory_name, write_distribution_point_name, write_extension};

/// The content of an indirect CRL.
pub(super) struct IndirectCrl<'a> {
    pub(super) issuer: &'a Name,
    pub(super) issuer_key_id: &'a [u8],
    pub(super) url: &'a str,
    pub(super) number: u64,
    pub(super) this_update: UTCTime,
    pub(super) next_update: UTCTime,
    pub(super) revoked: &'a [Revoked<'a>],
}

/// A revoked certificate. The issuer and the serial number together identify it (RFC 5280 section 5.3.3).
pub(super) struct Revoked<'a> {
    pub(super) issuer: &'a Name,
    pub(super) serial: &'a [u8],
}

impl IndirectCrl<'_> {
    /// Returns the DER of the list, signed with `key`, which must be a P-256 key.
    pub(super) fn signed_by(&self, key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
        let list = yasna::construct_der(|writer| self.write(writer));
        let signature = key.sign(&list)?;
        Ok(yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(&list);
                write_algorithm(writer.next());
                writer.next().write_bitvec_bytes(&signature, signature.len() * 8);
            });
        }))
    }

    /// Writes `TBSCertList`.
    fn write(&self, writer: DERWriter<'_>) {
        writer.write_sequence(|writer| {
            writer.next().write_u8(VERSION_2);
            write_algorithm(writer.next());
            self.issuer.write(writer.next());
            writer.next().write_utctime(&self.this_update);
            writer.next().write_utctime(&self.next_update);
            if !self.revoked.is_empty() {
                writer.next().write_sequence(|writer| {
                    for entry in self.revoked {
                        entry.write(&self.this_update, writer.next());
                    }
                });
            }
            writer.next().write_tagged(Tag::context(0), |writer| self.write_extensions(writer));
        });
    }

    fn write_extensions(&self, writer: DERWriter<'_>) {
        writer.write_sequence(|writer| {
            write_extension(writer, OID_AUTHORITY_KEY_IDENTIFIER, false, |writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_tagged_implicit(Tag::context(0), |writer| {
                        writer.write_bytes(self.issuer_key_id)
                    });
                });
            });
            write_extension(writer, OID_CRL_NUMBER, false, |writer| writer.write_u64(self.number));
            write_extension(writer, OID_ISSUING_DISTRIBUTION_POINT, true, |writer| {
                writer.write_sequence(|writer| {
                    write_distribution_point_name(writer.next(), self.url);
                    let indirect = |writer: DERWriter<'_>| writer.write_bool(true);
                    writer.next().write_tagged_implicit(Tag::context(4), indirect);
                });
            });
        });
    }
}

impl Revoked<'_> {
    fn write(&self, since: &UTCTime, writer: DERWriter<'_>) {
        writer.write_sequence(|writer| {
            writer.next().write_bigint_bytes(self.serial, true);
            writer.next().write_utctime(since);
            writer.next().write_sequence(|writer| {
                write_extension(writer, OID_REASON_CODE, false, |writer| writer.write_enum(KEY_COMPROMISE));
                write_extension(writer, OID_CERTIFICATE_ISSUER, true, |writer| {
                    write_directory_name(writer, self.issuer);
                });
            });
        });
    }
}

/// Writes the `AlgorithmIdentifier` of ecdsa-with-SHA256 (RFC 5758 section 3.2). It has no parameters.
fn write_algorithm(writer: DERWriter<'_>) {
    writer.write_sequence(|writer| {
        writer.next().write_oid(&ObjectIdentifier::from_slice(OID_ECDSA_WITH_SHA256));
    });
}

const VERSION_2: u8 = 1;
const KEY_COMPROMISE: i64 = 1;
const OID_ECDSA_WITH_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
const OID_AUTHORITY_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 35];
const OID_CRL_NUMBER: &[u64] = &[2, 5, 29, 20];
const OID_REASON_CODE: &[u64] = &[2, 5, 29, 21];
const OID_ISSUING_DISTRIBUTION_POINT: &[u64] = &[2, 5, 29, 28];
const OID_CERTIFICATE_ISSUER: &[u64] = &[2, 5, 29, 29];
