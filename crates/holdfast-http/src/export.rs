//! A whole list as a stream: read from the ledger page by page, as fast as it is taken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use holdfast_api::{Order, Problem};
use holdfast_core::SaleId;
use http::{HeaderMap, header};
use http_body::Frame;

use crate::app::App;
use crate::csv;

/// Orders that are read at a time.
const PAGE: usize = 200;

/// How a list is streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Csv,
    Lines,
}

/// CSV as RFC 4180 has it.
pub(crate) const CSV: &str = "text/csv; charset=utf-8";

/// JSON, one value on each line.
pub(crate) const LINES: &str = "application/x-ndjson";

impl Form {
    /// What is to be streamed, if the reader wants that rather than a page of JSON.
    pub(crate) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::ACCEPT).iter();
        let kinds = values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        // The first of those that are liked best.
        let best = kinds.filter_map(liked).reduce(|best, it| if it.1 > best.1 { it } else { best });
        best.and_then(|(form, _)| form)
    }

    /// Its content type.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Csv => CSV,
            Self::Lines => LINES,
        }
    }

    fn head(self) -> Vec<u8> {
        match self {
            Self::Csv => csv::HEAD.as_bytes().to_vec(),
            Self::Lines => Vec::new(),
        }
    }

    fn write(self, orders: &[Order], to: &mut Vec<u8>) -> serde_json::Result<()> {
        for order in orders {
            match self {
                Self::Csv => csv::write(order, to),
                Self::Lines => line(order, to)?,
            }
        }
        Ok(())
    }
}

/// What one part of `Accept` asks for (`None`: JSON), and how much it is liked. What we do not have
/// says nothing.
fn liked(kind: &str) -> Option<(Option<Form>, f32)> {
    let mut parts = kind.split(';').map(str::trim);
    let form = match parts.next()?.to_ascii_lowercase().as_str() {
        "text/csv" => Some(Form::Csv),
        "application/x-ndjson" => Some(Form::Lines),
        "application/json" | "application/*" | "*/*" => None,
        _ => return None,
    };
    let quality = parts.find_map(|part| part.strip_prefix("q=")).map(str::parse);
    let quality = quality.map_or(1.0, |quality| quality.unwrap_or(0.0));
    (quality > 0.0).then_some((form, quality))
}

/// One line. A break within the merchant's own data is between two words of JSON, for none can
/// stand within one: a space says the same there.
fn line(order: &Order, to: &mut Vec<u8>) -> serde_json::Result<()> {
    let begin = to.len();
    serde_json::to_writer(&mut *to, order)?;
    let breaks = to[begin..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r'));
    breaks.for_each(|byte| *byte = b' ');
    to.push(b'\n');
    Ok(())
}

/// All of a sale's orders after the one with this number. The first are read before anything is
/// answered, so that a ledger that does not answer is a problem and no stream.
pub(crate) async fn all(app: App, sale: SaleId, after: u64, form: Form) -> Result<Body, Problem> {
    let list = List { app, sale, form };
    let mut first = list.clone().page(after).await?;
    first.bytes.splice(0..0, form.head());
    Ok(Body::new(Stream { list, next: Some(Box::pin(async { Ok(first) })) }))
}

#[derive(Clone)]
struct List {
    app: App,
    sale: SaleId,
    form: Form,
}

/// A part of the stream, and after which order the next one begins.
struct Part {
    bytes: Vec<u8>,
    next: Option<u64>,
}

impl List {
    async fn page(self, after: u64) -> Result<Part, Problem> {
        let orders = self.app.orders(self.sale, after, PAGE).await?;
        let next = orders.last().filter(|_| orders.len() == PAGE).and_then(|last| last.number);
        let mut bytes = Vec::new();
        self.form.write(&orders, &mut bytes).map_err(|error| {
            Problem::new(holdfast_api::Code::StoreUnavailable).because(error.to_string())
        })?;
        Ok(Part { bytes, next })
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Part, Problem>> + Send>>;

/// The stream. When the ledger fails in its middle it ends by an error, which breaks the connection:
/// to end it in order would make a part of the list look like all of it.
struct Stream {
    list: List,
    /// The part that is being read; `None` after the last one.
    next: Option<Reading>,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(reading) = &mut self.next else { return Poll::Ready(None) };
        let read = ready!(reading.as_mut().poll(cx));
        self.next = None;
        Poll::Ready(match read {
            Ok(Part { bytes, next }) => {
                let list = &self.list;
                self.next = next.map(|after| Box::pin(list.clone().page(after)) as Reading);
                (!bytes.is_empty()).then(|| Ok(Frame::data(bytes.into())))
            }
            Err(problem) => {
                tracing::warn!(code = problem.code.as_str(), "a list of orders breaks off");
                Some(Err(io::Error::other("the list cannot be read further")))
            }
        })
    }
}
