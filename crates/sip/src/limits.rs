/// Limits on the size of a message.
///
/// Every limit has a name, so that an error can name the exceeded limit ([`Limit`](crate::Limit)).
/// The defaults accept all messages that fit one UDP datagram, with lines of up to 16 KiB. A signed
/// INVITE with several `Identity` headers is far below the limits.
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
    /// Octets of a whole message. Default 65,535; a larger message gets 513.
    ///
    /// The limit never exceeds 2^30 octets.
    #[must_use]
    pub fn message(mut self, octets: usize) -> Self {
        self.message = octets.min(Self::LARGEST_MESSAGE);
        self
    }

    /// The largest whole message that is accepted, in octets.
    #[must_use]
    pub const fn largest(&self) -> usize {
        self.message
    }

    /// Header lines of a message. Default 256; a message with more lines gets 513.
    ///
    /// Up to 32 lines need no allocation. Each line beyond 32 costs 16 octets.
    #[must_use]
    pub fn headers(mut self, lines: usize) -> Self {
        self.headers = lines;
        self
    }

    /// Octets of one header line with its continuation lines. Default 16,384; a longer line gets
    /// 513. The limit never exceeds 65,535 octets.
    #[must_use]
    pub fn header_line(mut self, octets: usize) -> Self {
        self.header_line = octets.min(Self::LONGEST_LINE);
        self
    }

    /// Octets of the Request-URI. Default 4,096; a longer URI gets 414.
    #[must_use]
    pub fn uri(mut self, octets: usize) -> Self {
        self.uri = octets;
        self
    }

    /// Parameters of one value, counted by [`Rules`](crate::Rules). Default 64; a value with more
    /// gets 400.
    #[must_use]
    pub fn params(mut self, count: usize) -> Self {
        self.params = count;
        self
    }

    /// Octets of the body. Default 65,535; a larger body gets 413.
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
