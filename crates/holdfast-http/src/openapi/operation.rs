//! One operation, described, and the route that it becomes.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use holdfast_api::{Code, Page};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::openapi::answer::{Answer, of_codes};
use crate::openapi::parameter::{self, Parameter};

/// Makes a type's schema, or a reference to it.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Codes of everything: the front may be too busy to ask the route, or one asks too often.
const FRONT: &[Code] = &[Code::RateLimited, Code::Overloaded];

/// Codes of everything that the engine is asked.
const ENGINE: &[Code] = &[Code::Overloaded, Code::StoreUnavailable, Code::OutcomeUnknown];

/// Codes of every body.
const BODY: &[Code] = &[
    Code::Malformed,
    Code::RequestTimeout,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::InvalidRequest,
];

/// What can be asked by one method at one address, and everything that can come back.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    filter: MethodFilter,
    pub(crate) path: &'static str,
    /// Its name for programs.
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    callers: &'static [&'static str],
    parameters: Vec<Parameter>,
    /// What it reads, and an example of it for each who asks in another way.
    body: Option<(SchemaOf, Vec<(&'static str, Value)>)>,
    /// Whether the body may be left out.
    may_be_empty: bool,
    answers: Vec<Answer>,
    codes: Vec<Code>,
    /// Operations that take what this one answers with.
    links: Option<Links>,
}

/// What an answer gives to other operations.
struct Links {
    /// The field that they take.
    field: &'static str,
    /// The parameter that it becomes there.
    parameter: &'static str,
    /// Their names.
    to: &'static [&'static str],
}

/// An operation with who answers it.
pub(crate) struct Route {
    pub(crate) operation: Operation,
    pub(crate) handler: MethodRouter<App>,
}

macro_rules! methods {
    ($($name:ident $filter:ident;)*) => {$(
        #[doc = concat!("An operation by `", stringify!($filter), "`.")]
        pub(crate) fn $name(
            path: &'static str,
            id: &'static str,
            summary: &'static str,
        ) -> Operation {
            Operation::new((stringify!($name), MethodFilter::$filter), path, id, summary)
        }
    )*};
}

methods! {
    get GET;
    put PUT;
    post POST;
    patch PATCH;
    delete DELETE;
}

impl Route {
    /// Under which heading it stands.
    pub(crate) fn under(mut self, tag: &'static str) -> Self {
        self.operation.tag = tag;
        self
    }

    /// The engine is asked for the answer.
    pub(crate) fn by_the_engine(mut self) -> Self {
        self.operation.codes.extend(ENGINE);
        self
    }
}

impl Operation {
    fn new(
        (method, filter): (&'static str, MethodFilter),
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let parameters = parameter::in_path(path);
        let mut codes = FRONT.to_vec();
        // A path that is no text leads nowhere.
        codes.extend((!parameters.is_empty()).then_some(Code::NotFound));
        Self {
            method,
            filter,
            path,
            id,
            summary,
            tag: "server",
            callers: &[],
            parameters,
            body: None,
            answers: Vec::new(),
            codes,
            may_be_empty: false,
            links: None,
        }
    }

    /// Only a merchant may ask.
    pub(crate) fn for_merchants(self) -> Self {
        Self { callers: &["merchant"], ..self }.refuses(&[Code::Unauthorised, Code::Forbidden])
    }

    /// Buyers may ask, and merchants in a buyer's name.
    pub(crate) fn for_buyers(self) -> Self {
        Self { callers: &["buyer", "merchant"], ..self }.refuses(&[Code::Unauthorised])
    }

    /// It looks at this parameter.
    pub(crate) fn looks_at(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self.refuses(&[Code::InvalidRequest])
    }

    /// It reads a body, such as these, each by who sends it.
    pub(crate) fn reads<T: JsonSchema + DeserializeOwned>(
        self,
        examples: &[(&'static str, Value)],
    ) -> Self {
        let body = Some((SchemaGenerator::subschema_for::<T> as SchemaOf, examples.to_vec()));
        Self { body, ..self }.refuses(BODY)
    }

    /// The same, but the body may be left out.
    pub(crate) fn reads_if_any<T: JsonSchema + DeserializeOwned>(
        self,
        examples: &[(&'static str, Value)],
    ) -> Self {
        Self { may_be_empty: true, ..self.reads::<T>(examples) }
    }

    /// It answers with this.
    pub(crate) fn answers<T: JsonSchema>(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push(Answer::json::<T>(status, what));
        self
    }

    /// It answers with a page of these.
    pub(crate) fn answers_pages<T: JsonSchema>(self, what: &'static str) -> Self {
        self.answers::<Page<T>>(200, what)
    }

    /// It answers with something else.
    pub(crate) fn answers_with(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// It may refuse, with one of these codes.
    pub(crate) fn refuses(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes);
        self
    }

    /// The `id` that it answers with is this parameter of those operations.
    pub(crate) fn gives(self, parameter: &'static str, to: &'static [&'static str]) -> Self {
        Self { links: Some(Links { field: "id", parameter, to }), ..self }
    }

    /// The same of another field of its answer, which has the parameter's name.
    pub(crate) fn gives_its(self, field: &'static str, to: &'static [&'static str]) -> Self {
        Self { links: Some(Links { field, parameter: field, to }), ..self }
    }

    /// Who answers it.
    pub(crate) fn by<H: Handler<T, App>, T: 'static>(self, handler: H) -> Route {
        let handler = on(self.filter, handler);
        Route { operation: self, handler }
    }

    /// It as it is written down. Schemas of what is read and of what is written are kept apart.
    pub(crate) fn render(
        &self,
        read: &mut SchemaGenerator,
        written: &mut SchemaGenerator,
    ) -> Value {
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "security": self.callers.iter().map(|who| json!({ *who: [] })).collect::<Vec<_>>(),
            "responses": of_codes(&self.codes, written),
        });
        for answer in &self.answers {
            let mut rendered = answer.render(written);
            if let Some(links) = self.links() {
                rendered["links"] = links;
            }
            operation["responses"][answer.status.to_string()] = rendered;
        }
        if !self.parameters.is_empty() {
            let rendered = self.parameters.iter().map(|parameter| parameter.render(read));
            operation["parameters"] = rendered.collect();
        }
        if let Some((schema, examples)) = &self.body {
            let examples = examples.iter().map(|(who, body)| {
                let summary = format!("As a {who} sends it.");
                ((*who).to_owned(), json!({ "summary": summary, "value": body }))
            });
            let examples: Map<String, Value> = examples.collect();
            let content = json!({ "schema": schema(read), "examples": examples });
            let content = json!({ "application/json": content });
            operation["requestBody"] =
                json!({ "required": !self.may_be_empty, "content": content });
        }
        operation
    }

    fn links(&self) -> Option<Value> {
        let Links { field, parameter, to } = self.links.as_ref()?;
        let link = |id: &&str| {
            let parameters = json!({ *parameter: format!("$response.body#/{field}") });
            ((*id).to_owned(), json!({ "operationId": id, "parameters": parameters }))
        };
        Some(to.iter().map(link).collect())
    }
}
