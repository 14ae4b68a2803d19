//! The parts of X.509 (RFC 5280) that `rcgen` does not write.

use rcgen::string::PrintableString;
use rcgen::{DistinguishedName, DnType, DnValue};
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, DERWriterSeq, Tag};

/// A distinguished name with the three attributes of SHAKEN certificates (ATIS-1000080).
#[derive(Clone)]
pub(super) struct Name {
    common_name: String,
}

impl Name {
    pub(super) fn new(common_name: impl Into<String>) -> Self {
        Self { common_name: common_name.into() }
    }

    /// Returns the name for `rcgen`, which writes the same octets as [`Self::write`].
    pub(super) fn distinguished_name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        let country = PrintableString::try_from(COUNTRY).expect("two capital letters");
        name.push(DnType::CountryName, DnValue::PrintableString(country));
        name.push(DnType::OrganizationName, ORGANISATION);
        name.push(DnType::CommonName, self.common_name.as_str());
        name
    }

    pub(super) fn write(&self, writer: DERWriter<'_>) {
        writer.write_sequence(|writer| {
            write_attribute(writer, OID_COUNTRY, |writer| writer.write_printable_string(COUNTRY));
            write_attribute(writer, OID_ORGANISATION, |writer| writer.write_utf8_string(ORGANISATION));
            write_attribute(writer, OID_COMMON_NAME, |writer| writer.write_utf8_string(&self.common_name));
        });
    }
}

/// Writes one `RelativeDistinguishedName` with one attribute (RFC 5280 section 4.1.2.4).
fn write_attribute(writer: &mut DERWriterSeq<'_>, oid: &[u64], value: impl FnOnce(DERWriter<'_>)) {
    writer.next().write_set(|writer| {
        writer.next().write_sequence(|writer| {
            writer.next().write_oid(&ObjectIdentifier::from_slice(oid));
            value(writer.next());
        });
    });
}

/// Writes a `DistributionPointName` with `uri` as its full name (RFC 5280 section 4.2.1.13), inside its tag `[0]`.
pub(super) fn write_distribution_point_name(writer: DERWriter<'_>, uri: &str) {
    writer.write_tagged(Tag::context(0), |writer| {
        writer.write_tagged_implicit(Tag::context(0), |writer| {
            writer.write_sequence(|writer| {
                writer.next().write_tagged_implicit(Tag::context(6), |writer| writer.write_ia5_string(uri));
            });
        });
    });
}

/// Writes `GeneralNames` with `name` as the only directory name (RFC 5280 section 4.2.1.6).
pub(super) fn write_directory_name(writer: DERWriter<'_>, name: &Name) {
    writer.write_sequence(|writer| {
        writer.next().write_tagged(Tag::context(4), |writer| name.write(writer));
    });
}

/// Writes one member of `Extensions` (RFC 5280 section 4.1). `value` writes its content.
pub(super) fn write_extension(
    writer: &mut DERWriterSeq<'_>,
    oid: &[u64],
    critical: bool,
    value: impl FnOnce(DERWriter<'_>),
) {
    writer.next().write_sequence(|writer| {
        writer.next().write_oid(&ObjectIdentifier::from_slice(oid));
        if critical {
            writer.next().write_bool(true);
        }
        writer.next().write_bytes(&yasna::construct_der(value));
    });
}

const COUNTRY: &str = "US";
const ORGANISATION: &str = "Attesta throw-away PKI";
const OID_COUNTRY: &[u64] = &[2, 5, 4, 6];
const OID_ORGANISATION: &[u64] = &[2, 5, 4, 10];
const OID_COMMON_NAME: &[u64] = &[2, 5, 4, 3];
