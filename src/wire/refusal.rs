//! Why a message is not passed on.

/// Why a message is refused. Says what is wrong, never with which bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request line or status line does not follow [RFC 9112 §3 and §4](https://www.rfc-editor.org/rfc/rfc9112#section-3).
    #[error("the first line is not that of an HTTP/1.x message")]
    BadStartLine,
    /// The first line is well formed, of another version of HTTP than 1.0 and 1.1.
    #[error("the message is of an HTTP version other than 1.0 and 1.1")]
    UnsupportedVersion,
    /// A status below 100.
    #[error("the status code is below 100")]
    BadStatus,
    /// CR without LF, or LF without CR, where lines are read.
    #[error("a line ends in a bare CR or LF, which some readers take for a line end and others do not")]
    BareLineEnd,
    /// A field name that is not a token, white space before the colon, a folded line, or a control character in a value.
    #[error("a header field line is malformed")]
    BadFieldLine,
    /// More than one `Host`.
    #[error("more than one Host field")]
    RepeatedHost,
    /// A malformed line that starts with the name of a framing field, or continues one.
    #[error("a Content-Length or Transfer-Encoding field line is malformed")]
    BadFramingLine,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// More than one `Content-Length`, equal or not. Equal ones may be merged by a recipient (RFC 9112 §6.3), but a recipient
    /// may also refuse them or read only one; passed on verbatim they would leave that choice to the other side.
    #[error("more than one Content-Length field")]
    RepeatedLength,
    /// `Content-Length` is not one number of 1 to 19 digits. A list (`5,5`) is refused for the reason of [`Refusal::RepeatedLength`].
    #[error("Content-Length is not one decimal number of at most 19 digits")]
    BadLength,
    /// `Transfer-Encoding` is anything but exactly one `chunked`.
    #[error("Transfer-Encoding is not exactly \"chunked\", once")]
    BadCoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message, where it is not defined.
    #[error("Transfer-Encoding in an HTTP/1.0 message")]
    CodingInHttp10,
    /// A CONNECT request that announces a body: what follows it belongs to the tunnel.
    #[error("a CONNECT request announces a body")]
    ConnectWithBody,
    /// A chunk size that is not 1 to 16 hexadecimal digits, or above 2^63 − 1.
    #[error("a chunk size is not a hexadecimal number below 2^63")]
    BadChunkSize,
    /// A chunk line with white space after the size, a control character in an extension, or a bare CR or LF.
    #[error("the line before a chunk is malformed")]
    BadChunkLine,
    /// The data of a chunk is not followed by CRLF.
    #[error("a chunk does not end where its size says")]
    BadChunkEnd,
    /// The line before a chunk is longer than [`Limits::chunk_line`](super::Limits::chunk_line).
    #[error("the line before a chunk is too long")]
    ChunkLineTooLong,
    /// The first line is longer than [`Limits::start_line`](super::Limits::start_line).
    #[error("the first line is too long")]
    StartLineTooLong,
    /// The head is larger than [`Limits::head`](super::Limits::head).
    #[error("the header section is too large")]
    HeadTooLarge,
    /// More field lines than [`Limits::fields`](super::Limits::fields).
    #[error("there are too many header fields")]
    TooManyFields,
    /// The trailer section is larger than [`Limits::trailers`](super::Limits::trailers).
    #[error("the trailer section is too large")]
    TrailersTooLarge,
    /// The peer closed the connection inside a body.
    #[error("the connection ended inside a message")]
    Truncated,
    /// 101 to a request that did not ask for an upgrade, or without the fields that say to which protocol.
    #[error("a switch of protocols that was not asked for, or does not say to which")]
    UnsolicitedUpgrade,
    /// Bytes of an answer to nothing.
    #[error("the server sent an answer that nobody had asked for")]
    UnaskedAnswer,
    /// The target of a CONNECT request is not `host:port`.
    #[error("the target of a CONNECT request is not a host and a port from 1 to 65535")]
    BadConnect,
    /// A target in absolute form whose authority cannot be read, or with a fragment.
    #[error("the request target is not a readable http or https URI")]
    BadTarget,
    /// A target in absolute form with a user name or password before the host.
    #[error("the request target carries user information")]
    TargetUserInfo,
    /// `Host` names another origin than the target in absolute form does.
    #[error("the Host field and the request target name different origins")]
    HostMismatch,
}

impl Refusal {
    /// A stable code for records and statistics; several refusals share one.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BadStartLine | Self::UnsupportedVersion | Self::BadStatus => "bad_start_line",
            Self::BadFieldLine | Self::RepeatedHost => "bad_header",
            Self::BareLineEnd
            | Self::BadFramingLine
            | Self::LengthAndCoding
            | Self::RepeatedLength
            | Self::BadLength
            | Self::BadCoding
            | Self::CodingInHttp10
            | Self::ConnectWithBody => "ambiguous_framing",
            Self::BadChunkSize | Self::BadChunkLine | Self::BadChunkEnd | Self::ChunkLineTooLong => "bad_chunk",
            Self::StartLineTooLong | Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => "too_large",
            Self::Truncated => "truncated",
            Self::UnsolicitedUpgrade => "unsolicited_upgrade",
            Self::UnaskedAnswer => "unasked_answer",
            Self::BadConnect => "bad_connect",
            Self::BadTarget | Self::TargetUserInfo | Self::HostMismatch => "bad_target",
        }
    }

    /// The status to answer a client with whose request is refused. Of no meaning for a refused response.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::StartLineTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => 431,
            Self::UnsupportedVersion => 505,
            _ => 400,
        }
    }
}
