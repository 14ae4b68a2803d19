/// How much one message may ask of its reader.
///
/// Every limit has a name, so that a refusal can say which one was passed
/// ([`Limit`](crate::Limit)). The defaults admit whatever fits one UDP datagram, in lines of up
/// to 16 KiB; a signed INVITE with several `Identity` headers is far below them.
///
/// ```
/// use attesta_sip::Limits;
///
/// let limits = Limits::default().headers(64).body(8 * 1024);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub(crate) message: usize,
    pub(crate) headers: usize,
    pub(crate) header_line: usize,
    pub(crate) uri: usize,
    pub(crate) params: usize,
    pub(crate) body: usize,
}

impl Limits {
    /// Octets of a whole message. Default 65,535; a larger message deserves 513.
    ///
    /// At most 2^30 octets are ever accepted.
    #[must_use]
    pub fn message(mut self, octets: usize) -> Self {
        self.message = octets.min(Self::LARGEST_MESSAGE);
        self
    }

    /// The largest whole message that is read, in octets.
    #[must_use]
    pub const fn largest(&self) -> usize {
        self.message
    }

    /// Header lines of a message. Default 256; more deserve 513.
    ///
    /// Up to 32 lines cost no allocation; beyond that each line costs 16 octets.
    #[must_use]
    pub fn headers(mut self, lines: usize) -> Self {
        self.headers = lines;
        self
    }

    /// Octets of one header line, its continuation lines included. Default 16,384; a longer
    /// line deserves 513. At most 65,535 octets are ever accepted.
    #[must_use]
    pub fn header_line(mut self, octets: usize) -> Self {
        self.header_line = octets.min(Self::LONGEST_LINE);
        self
    }

    /// Octets of the Request-URI. Default 4,096; a longer one deserves 414.
    #[must_use]
    pub fn uri(mut self, octets: usize) -> Self {
        self.uri = octets;
        self
    }

    /// Parameters of one value, as counted by validation. Default 64; more deserve 400.
    #[must_use]
    pub fn params(mut self, count: usize) -> Self {
        self.params = count;
        self
    }

    /// Octets of the body. Default 65,535; a larger one deserves 413.
    #[must_use]
    pub fn body(mut self, octets: usize) -> Self {
        self.body = octets;
        self
    }

    const LARGEST_MESSAGE: usize = 1 << 30;
    const LONGEST_LINE: usize = 65_535;
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 65_535, headers: 256, header_line: 16 * 1024, uri: 4096, params: 64, body: 65_535 }
    }
}
