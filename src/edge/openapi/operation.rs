//! What one line of the table says of itself: who may ask, with what, and what is answered. What follows from that, such as 401 where one
//! must sign in, it says by itself.

use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, SecurityRequirement,
        path::{Operation as Written, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type},
    },
};

pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM: &str = "application/problem+json";
/// Brackets as Rails writes them: `user[email]=`.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// What names somebody: each is a security scheme of the document.
pub(super) const CREDENTIALS: [&str; 2] = ["bearer", "api_key"];

/// Who may ask.
#[derive(Clone, Copy)]
enum Access {
    Anyone,
    SignedIn,
    Permitted(&'static str),
    /// Whoever shows what this security scheme says.
    Key(&'static str),
}

type Named = (String, RefOr<Schema>);

/// One operation.
#[derive(Clone)]
pub struct Operation {
    summary: &'static str,
    about: Option<&'static str>,
    access: Access,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: Vec<(u16, Response)>,
    refusals: Vec<u16>,
    /// Shapes of bodies, and of answers: the latter always have their empty members, too.
    pub(super) asked: Vec<Named>,
    pub(super) answered: Vec<Named>,
}

/// An operation for whoever is signed in.
#[must_use]
pub fn operation(summary: &'static str) -> Operation {
    Operation {
        summary,
        about: None,
        access: Access::SignedIn,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        refusals: Vec::new(),
        asked: Vec::new(),
        answered: Vec::new(),
    }
}

impl Operation {
    /// What else is to be known, in Markdown.
    #[must_use]
    pub fn about(mut self, text: &'static str) -> Self {
        self.about = Some(text);
        self
    }
    /// Nobody is asked who they are.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.access = Access::Anyone;
        self
    }
    /// Only for whoever holds this permission.
    #[must_use]
    pub fn needs(mut self, permission: &'static str) -> Self {
        self.access = Access::Permitted(permission);
        self
    }
    /// Only for whoever shows this key, a security scheme of its own.
    #[must_use]
    pub fn with_key(mut self, scheme: &'static str) -> Self {
        self.access = Access::Key(scheme);
        self
    }
    /// Takes these query parameters.
    #[must_use]
    pub fn query<P: IntoParams>(mut self) -> Self {
        self.parameters.extend(P::into_params(|| Some(ParameterIn::Query)));
        self
    }
    /// Takes a body of this shape.
    #[must_use]
    pub fn body<T: ToSchema>(self) -> Self {
        self.taking::<T>(reference::<T>(), &[JSON, FORM])
    }
    /// The same; its members may also stand under this name.
    #[must_use]
    pub fn body_under<T: ToSchema>(self, wrapper: &str) -> Self {
        let wrapped = ObjectBuilder::new().property(wrapper, reference::<T>()).required(wrapper);
        let either = Schema::from(OneOfBuilder::new().item(reference::<T>()).item(wrapped).build());
        self.taking::<T>(either.into(), &[JSON, FORM])
    }
    /// Takes a body of this shape that no form can have.
    #[must_use]
    pub fn json<T: ToSchema>(self) -> Self {
        self.taking::<T>(reference::<T>(), &[JSON])
    }
    /// Answers with this shape.
    #[must_use]
    pub fn answers<T: ToSchema>(self, status: u16, what: &str) -> Self {
        self.answering::<T>(status, what, reference::<T>())
    }
    /// Answers with a list of them, bare.
    #[must_use]
    pub fn lists<T: ToSchema>(self, status: u16, what: &str) -> Self {
        self.answering::<T>(status, what, ArrayBuilder::new().items(reference::<T>()).into())
    }
    /// Answers without a body.
    #[must_use]
    pub fn nothing(mut self, status: u16, what: &str) -> Self {
        self.answers.push((status, Response::new(what)));
        self
    }
    /// Answers, beside or instead of JSON, text of this kind.
    #[must_use]
    pub fn text(mut self, status: u16, what: &str, kind: &str) -> Self {
        let text: RefOr<Schema> = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).into();
        self.response(status, what).content.insert(kind.to_owned(), ContentBuilder::new().schema(Some(text)).build().into());
        self
    }
    /// Also refuses with these, beyond what follows from the rest.
    #[must_use]
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    /// Refuses with a problem of a shape of its own.
    #[must_use]
    pub fn problem<T: ToSchema>(self, status: u16, what: &str) -> Self {
        self.holding::<T>(status, what, PROBLEM, reference::<T>())
    }

    fn taking<T: ToSchema>(mut self, schema: RefOr<Schema>, kinds: &[&str]) -> Self {
        let content = || ContentBuilder::new().schema(Some(schema.clone())).build();
        let body = RequestBodyBuilder::new().required(Some(Required::True));
        self.body = Some(kinds.iter().fold(body, |body, kind| body.content(*kind, content())).build());
        gather::<T>(&mut self.asked);
        self
    }
    fn answering<T: ToSchema>(self, status: u16, what: &str, schema: RefOr<Schema>) -> Self {
        self.holding::<T>(status, what, JSON, schema)
    }
    fn holding<T: ToSchema>(mut self, status: u16, what: &str, kind: &str, schema: RefOr<Schema>) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.response(status, what).content.insert(kind.to_owned(), content.into());
        gather::<T>(&mut self.answered);
        self
    }
    fn response(&mut self, status: u16, what: &str) -> &mut Response {
        let place = self.answers.iter().position(|(known, _)| *known == status).unwrap_or_else(|| {
            self.answers.push((status, ResponseBuilder::new().description(what).build()));
            self.answers.len() - 1
        });
        &mut self.answers[place].1
    }

    /// As the document says it, under this path.
    pub(super) fn written(&self, id: String, tag: &str, path: &str) -> Written {
        let mut written = OperationBuilder::new().operation_id(Some(id)).tag(tag).summary(Some(self.summary));
        written = written.description(self.description()).request_body(self.body.clone());
        for name in named(path) {
            written = written.parameter(part(name));
        }
        for parameter in &self.parameters {
            written = written.parameter(parameter.clone());
        }
        for requirement in self.requirements() {
            written = written.security(requirement);
        }
        for (status, response) in &self.answers {
            written = written.response(status.to_string(), response.clone());
        }
        for status in self.refusals(path).into_iter().filter(|status| self.answers.iter().all(|(known, _)| known != status)) {
            written = written.response(status.to_string(), Ref::from_response_name(format!("Problem{status}")));
        }
        written.build()
    }
    /// Everything it may be refused with.
    pub(super) fn refusals(&self, path: &str) -> Vec<u16> {
        let mut statuses = self.refusals.clone();
        match self.access {
            Access::Anyone => {}
            Access::SignedIn | Access::Key(_) => statuses.push(401),
            Access::Permitted(_) => statuses.extend([401, 403]),
        }
        if path.contains("{id}") {
            statuses.push(404);
        }
        if self.body.is_some() {
            statuses.extend([400, 413, 415, 422]);
        }
        if self.parameters.iter().any(|parameter| parameter.name == "cursor") {
            statuses.push(422);
        }
        if path.starts_with("/api/v1") {
            statuses.extend([406, 429, 503]);
        }
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
    fn requirements(&self) -> Vec<SecurityRequirement> {
        let of = |permission: Option<&'static str>| {
            CREDENTIALS.iter().map(|scheme| SecurityRequirement::new(*scheme, permission)).collect()
        };
        match self.access {
            Access::Anyone => vec![SecurityRequirement::default()],
            Access::SignedIn => of(None),
            Access::Permitted(permission) => of(Some(permission)),
            Access::Key(scheme) => vec![SecurityRequirement::new(scheme, [] as [&str; 0])],
        }
    }
    fn description(&self) -> Option<String> {
        let permission = match self.access {
            Access::Permitted(permission) => Some(format!("Needs `{permission}`.")),
            Access::Anyone | Access::SignedIn | Access::Key(_) => None,
        };
        let text: Vec<&str> = self.about.into_iter().chain(permission.as_deref()).collect();
        (!text.is_empty()).then(|| text.join("\n\n"))
    }
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn gather<T: ToSchema>(schemas: &mut Vec<Named>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// The parts of a path that stand for something.
fn named(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn part(name: &str) -> Parameter {
    let kind = if name == "id" { Type::Integer } else { Type::String };
    let mut schema = ObjectBuilder::new().schema_type(SchemaType::new(kind));
    if name == "id" {
        schema = schema.minimum(Some(1)).maximum(Some(trunkline_protocol::id::MAX_SAFE_INTEGER));
    }
    ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(schema)).build()
}
