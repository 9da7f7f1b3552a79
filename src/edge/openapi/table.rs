//! The route table: each line mounts a handler and says what it is for. The document is folded from the same lines, so that nothing can be
//! asked for over `/api` that is not described, nor the other way round. It knows no resource.

use actix_web::{
    FromRequest, Handler, Responder,
    http::Method,
    web::{self, ServiceConfig},
};

use super::operation::Operation;

/// Resources under one prefix, in the order in which they are told.
pub struct Table {
    prefix: &'static str,
    tag: &'static str,
    lines: Vec<Line>,
    resources: Vec<actix_web::Resource>,
}

/// One address, and what may be asked of it.
pub(super) struct Line {
    pub tag: &'static str,
    pub path: String,
    pub operations: Vec<(Method, Operation)>,
}

impl Table {
    /// An empty table; every path in it begins with `prefix`.
    #[must_use]
    pub fn under(prefix: &'static str) -> Self {
        Self { prefix, tag: "", lines: Vec::new(), resources: Vec::new() }
    }
    /// What the following resources are about.
    pub fn about(&mut self, tag: &'static str) -> &mut Self {
        self.tag = tag;
        self
    }
    /// One more resource.
    pub fn service(&mut self, resource: Resource) -> &mut Self {
        self.describe(&resource.path, resource.operations);
        self.resources.push(resource.mounted);
        self
    }
    /// An address that is mounted elsewhere, because it takes more than a handler.
    pub fn describe(&mut self, path: &str, operations: Vec<(Method, Operation)>) -> &mut Self {
        self.lines.push(Line { tag: self.tag, path: format!("{}{path}", self.prefix), operations });
        self
    }
    /// Mounts them all; the prefix is the scope's.
    pub fn mount(self, config: &mut ServiceConfig) {
        for resource in self.resources {
            config.service(resource);
        }
    }
    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }
}

/// One address with its handlers: what actix mounts, and what the document says.
pub struct Resource {
    path: String,
    mounted: actix_web::Resource,
    operations: Vec<(Method, Operation)>,
}

/// An address; `{id}` stands for a part of it.
#[must_use]
pub fn resource(path: &str) -> Resource {
    Resource { path: path.to_owned(), mounted: web::resource(path), operations: Vec::new() }
}

impl Resource {
    /// What its extractors may find.
    #[must_use]
    pub fn app_data<T: 'static>(self, data: T) -> Self {
        Self { mounted: self.mounted.app_data(data), ..self }
    }
    /// The handler of several methods that do the same.
    #[must_use]
    pub fn on<F, Args, const N: usize>(mut self, methods: [Method; N], handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        for method in methods {
            self.mounted = self.mounted.route(web::method(method.clone()).to(handler.clone()));
            self.operations.push((method, operation.clone()));
        }
        self
    }
    /// The handler of GET.
    #[must_use]
    pub fn get<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on([Method::GET], handler, operation)
    }
    /// The handler of POST.
    #[must_use]
    pub fn post<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on([Method::POST], handler, operation)
    }
    /// The handler of PATCH, and of PUT, which means the same here.
    #[must_use]
    pub fn change<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on([Method::PATCH, Method::PUT], handler, operation)
    }
    /// The handler of DELETE.
    #[must_use]
    pub fn delete<F, Args>(self, handler: F, operation: Operation) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on([Method::DELETE], handler, operation)
    }
}
