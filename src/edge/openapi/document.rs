//! Folds the tables into one OpenAPI 3.1 document: paths in the order of the tables, shapes, problems, and who may ask.

use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        Components, ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApiBuilder, Paths, Ref,
        ResponseBuilder, ServerBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};

use super::{
    operation::PROBLEM,
    shapes,
    table::{Line, Table},
};

/// What the resources are about, in the order in which they are told.
const TAGS: [(&str, &str); 11] = [
    ("accounts", "Signing in, up and out."),
    ("streams", "Livestreams: what bots push and dashboards show."),
    ("locations", "Where streams are."),
    ("streamers", "Who streams."),
    ("timestamps", "Moments worth finding again; also called annotations."),
    ("ignore lists", "Who and what is not wanted."),
    ("publishing", "Applications publish from outside, and browsers without a socket listen."),
    ("users", "Whom the hub knows, for administrators."),
    ("API keys", "The keys of bots, for administrators."),
    ("audit", "Who did what."),
    ("system", "The hub seen from outside."),
];

const ABOUT: &str = "\
Everything lives under `/api/v1`: JSON in and out; form bodies with Rails brackets (`user[email]=`) are read, too. Sign in with a bearer \
token or an API key; both count wherever one is asked for.

Every error is a problem document (RFC 9457) with a stable `code`. Every answer under `/api` carries `X-RateLimit-Limit`, `-Remaining` and \
`-Reset`: 60 requests a minute for an address, 600 for a person, 6000 for a service or key unless the deployment says otherwise; 429 and 503 \
come with `Retry-After`. `X-Request-Id` is echoed or made, `traceparent` comes back with the hub's own span.

Query parameters are tolerant: numbers are clamped, unknown parameters ignored. A POST may carry an `Idempotency-Key`: sent again within a \
day, it is answered as it was. Trailing slashes do no harm. What happens is told at once over the WebSocket at `/cable`, in ActionCable's \
protocol.";

/// The document, as it is served.
pub(super) fn document(tables: impl IntoIterator<Item = Table>) -> Value {
    let lines: Vec<Line> = tables.into_iter().flat_map(Table::into_lines).collect();
    let mut paths = Paths::new();
    for line in &lines {
        let path = plain(&line.path);
        for (method, operation) in &line.operations {
            let written = operation.written(operation_id(method, &path), line.tag, &path);
            paths.add_path_operation(&path, vec![spoken(method)], written);
        }
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new().title("Trunkline").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let tags = TAGS.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    let written = OpenApiBuilder::new()
        .info(info.license(Some(license)).build())
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .paths(paths)
        .components(Some(components(&lines)))
        .tags(Some(tags))
        .build();
    let mut document = serde_json::to_value(written).unwrap_or_default();
    for (name, _) in lines.iter().flat_map(|line| &line.operations).flat_map(|(_, operation)| &operation.answered) {
        require_empty_members(&mut document["components"]["schemas"][name]);
    }
    let items = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut());
    for parameter in operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut()).flatten() {
        parameter["schema"] = some(parameter["schema"].take());
    }
    document
}

/// A parameter that is given is not null.
fn some(mut schema: Value) -> Value {
    let without_null = |of: &mut Value, null: fn(&Value) -> bool| {
        let several = of.as_array_mut()?;
        several.retain(|each| !null(each));
        (several.len() == 1).then(|| several.remove(0))
    };
    if let Some(kind) = schema.get_mut("type").and_then(|kinds| without_null(kinds, |kind| kind == "null")) {
        schema["type"] = kind;
    }
    match schema.get_mut("oneOf").and_then(|parts| without_null(parts, |part| part["type"] == "null")) {
        Some(part) => part,
        None => schema,
    }
}

fn components(lines: &[Line]) -> Components {
    let mut components = ComponentsBuilder::new().schema(shapes::Problem::name(), shapes::Problem::schema());
    let mut refusals = BTreeMap::new();
    for (_, operation) in lines.iter().flat_map(|line| &line.operations) {
        for (name, schema) in operation.asked.iter().chain(&operation.answered) {
            components = components.schema(name, schema.clone());
        }
    }
    for line in lines {
        for status in line.operations.iter().flat_map(|(_, operation)| operation.refusals(&plain(&line.path))) {
            refusals.insert(status, StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()));
        }
    }
    for (status, reason) in refusals {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(shapes::Problem::name()))).build();
        let response = ResponseBuilder::new().description(reason.unwrap_or("Error")).content(PROBLEM, content);
        components = components.response(format!("Problem{status}"), response.build());
    }
    let key = |header: &str, about: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(header, about)));
    let bearer =
        |about: &str| SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build());
    components
        .security_scheme("bearer", bearer("A token from `POST /api/v1/login`, or an API key."))
        .security_scheme("api_key", key("X-API-Key", "An API key: `tl_…`."))
        .security_scheme("broadcast_key", bearer("The deployment's key for `/_broadcast`."))
        .security_scheme("publish_key", bearer("The deployment's key for `/api/publish`."))
        .build()
}

/// What is null where it is empty is there all the same; what may be missing is never null.
fn require_empty_members(schema: &mut Value) {
    if let Some(Value::Array(parts)) = schema.get_mut("allOf") {
        return parts.iter_mut().for_each(require_empty_members);
    }
    let Some(Value::Object(members)) = schema.get("properties") else { return };
    let empty: Vec<String> = members.iter().filter(|(_, member)| is_nullable(member)).map(|(name, _)| name.clone()).collect();
    let mut required: Vec<String> =
        schema.get("required").and_then(|names| serde_json::from_value(names.clone()).ok()).unwrap_or_default();
    required.extend(empty);
    required.sort_unstable();
    required.dedup();
    schema["required"] = json!(required);
}

fn is_nullable(schema: &Value) -> bool {
    let null = |kind: &Value| kind == "null";
    let of_kind = schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(null));
    let of_parts = ["oneOf", "anyOf"].iter().filter_map(|name| schema[name].as_array()).flatten().any(|part| null(&part["type"]));
    // Anything at all, null too.
    let anything = ["type", "$ref", "oneOf", "anyOf", "allOf"].iter().all(|name| schema.get(name).is_none());
    of_kind || of_parts || anything
}

/// `/streams/{stream:.*}` without what matches.
fn plain(path: &str) -> String {
    let name = |part: &str| match part.split_once(':') {
        Some((name, _)) if part.starts_with('{') => format!("{name}}}"),
        _ => part.to_owned(),
    };
    path.split('/').map(name).collect::<Vec<_>>().join("/")
}

/// `get_api_v1_streams_id`.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method.as_str().to_ascii_lowercase().as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn spoken(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}
