//! Answers, as they come off the wire.

use std::time::Duration;

use http::StatusCode;
use httparse::{Header, Response, Status};

const HEADERS_MAX: usize = 64;

/// An answer, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// How the end of a body is found.
#[derive(Clone, Copy)]
enum Length {
    Known(usize),
    Chunked,
    UntilClose,
}

/// The answer in `bytes`, if it is whole; `ended`: nothing more will come.
pub(crate) fn read(bytes: &[u8], ended: bool) -> Result<Option<Reply>, String> {
    match whole(bytes, ended)? {
        None if ended && bytes.is_empty() => Err("closed without an answer".into()),
        None if ended => Err("closed in the middle of the answer".into()),
        reply => Ok(reply),
    }
}

fn whole(mut bytes: &[u8], ended: bool) -> Result<Option<Reply>, String> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = Response::new(&mut headers);
        let parsed = head.parse(bytes).map_err(|error| error.to_string())?;
        let Status::Complete(start) = parsed else { return Ok(None) };
        let rest = bytes.get(start..).unwrap_or_default();
        let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or("it has no status")?;
        if status.is_informational() {
            // Another one follows.
            bytes = rest;
            continue;
        }
        let retry_after = field(head.headers, "retry-after").and_then(seconds);
        let body = body(rest, length(status, head.headers)?, ended)?;
        return Ok(body.map(|body| Reply { status, retry_after, body }));
    }
}

fn length(status: StatusCode, headers: &[Header<'_>]) -> Result<Length, String> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Length::Known(0));
    }
    if field(headers, "transfer-encoding").is_some_and(|how| how.ends_with("chunked")) {
        return Ok(Length::Chunked);
    }
    match field(headers, "content-length") {
        Some(length) => {
            Ok(Length::Known(length.parse().map_err(|_| "its content-length is no number")?))
        }
        None => Ok(Length::UntilClose),
    }
}

fn body(rest: &[u8], length: Length, ended: bool) -> Result<Option<Vec<u8>>, String> {
    Ok(match length {
        Length::Known(length) => rest.get(..length).map(<[u8]>::to_vec),
        Length::UntilClose => ended.then(|| rest.to_vec()),
        Length::Chunked => unchunk(rest)?,
    })
}

fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest).map_err(|_| "a chunk has no size")?;
        let Status::Complete((start, size)) = size else { return Ok(None) };
        if size == 0 {
            // What may follow are trailers, and nobody here needs them.
            return Ok(Some(body));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let end = end.ok_or("a chunk is too long")?;
        let Some(chunk) = rest.get(start..end) else { return Ok(None) };
        body.extend_from_slice(chunk);
        let Some(next) = rest.get(end + 2..) else { return Ok(None) };
        rest = next;
    }
}

fn field<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok().map(str::trim)
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads it byte by byte, as the network may bring it.
    fn slowly(text: &str, closes: bool) -> Result<Reply, String> {
        for end in 0..text.len() {
            match read(&text.as_bytes()[..end], false) {
                Ok(None) => {}
                early => panic!("{early:?} after {end} bytes of {text:?}"),
            }
        }
        let read = read(text.as_bytes(), closes)?;
        Ok(read.unwrap_or_else(|| panic!("{text:?} has no end")))
    }

    #[test]
    fn every_way_to_end_a_body_is_understood() {
        for (text, closes, body) in [
            ("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}", false, "{}"),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, ""),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n",
                false,
                "{} ",
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                false,
                "",
            ),
        ] {
            assert_eq!(slowly(text, closes).unwrap().body, body.as_bytes(), "{text:?}");
        }
        let open = read(b"HTTP/1.0 200 OK\r\n\r\n{}", true).unwrap().unwrap();
        assert_eq!((open.status, &open.body[..]), (StatusCode::OK, &b"{}"[..]));
        let later = "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(slowly(later, false).unwrap().retry_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn half_an_answer_is_none() {
        for (text, words) in [
            ("", "closed without an answer"),
            ("HTTP/1.1 200", "closed in the middle"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", "closed in the middle"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{", "closed in the middle"),
            ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "no number"),
            ("SMTP ready\r\n\r\n", "invalid"),
        ] {
            let error = read(text.as_bytes(), true).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
