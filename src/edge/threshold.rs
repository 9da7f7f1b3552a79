//! What every request passes on its way in and out, in one place and in this order: its names, who asks, whether the hub takes requests at
//! all, whether the version is spoken here, how often one may ask. It knows no resource.

use std::{net::IpAddr, time::Instant};

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web,
};

use tracing::Instrument as _;

use super::{Api, Problem, auth, cors, events, limits::Allowance, publish, trace::Traced, version};

/// The middleware: `App::new().wrap(from_fn(threshold::pass))`.
///
/// # Errors
/// Never of itself: whatever is wrong is an answer.
pub async fn pass(mut request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let Some(api) = request.app_data::<web::Data<Api>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let traced = Traced::of(request.headers());
    let asked = Asked::of(&request, &api);
    let mut allowance = None;
    let mut response = match admit(&api, &mut request, &asked, &mut allowance).await {
        Err(problem) => request.into_response(problem.respond(problem.document(Some(&traced.request_id), Some(&asked.path)))),
        Ok(Some(done)) => request.into_response(done),
        Ok(None) => {
            request.extensions_mut().insert(traced.clone());
            if request.method() == Method::HEAD && asked.path != events::PATH {
                // Routed like a GET; the transport leaves the body out, as it saw the method before us.
                request.head_mut().method = Method::GET;
            }
            let answering = next.call(request).instrument(traced.span());
            let answered = match traced.given {
                true => trunkline_actors::traced(&traced.trace_id, answering).await,
                false => answering.await,
            };
            let answered = answered?.map_into_boxed_body();
            if answered.status() == StatusCode::FORBIDDEN {
                auth::note_denial(&api, answered.request());
            }
            name_problem(answered, &traced, &asked)
        }
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        response = spare_the_wall(response, &asked);
    }
    let endpoint = endpoint(&response);
    let status = response.status();
    let headers = response.headers_mut();
    traced.answer(headers);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if asked.is_api {
        cors::answer(&api.config.cors_origins, &asked.headers, headers);
    }
    if let Some(allowance) = allowance {
        allowance.answer(headers);
    }
    let took = began.elapsed();
    api.metrics.request(asked.method.as_str(), &endpoint, status.as_u16(), took);
    if status.is_server_error() {
        tracing::warn!(method = %asked.method, path = asked.path, %status, request_id = traced.request_id, trace_id = traced.trace_id, correlation_id = traced.correlation_id, "answered");
    } else {
        tracing::debug!(method = %asked.method, path = asked.path, %status, request_id = traced.request_id, trace_id = traced.trace_id, correlation_id = traced.correlation_id, ?took, "answered");
    }
    Ok(response)
}

/// What is remembered of a request while it is away.
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    address: Option<IpAddr>,
    is_api: bool,
    is_wall: bool,
}

impl Asked {
    fn of(request: &ServiceRequest, api: &Api) -> Self {
        let path = request.path().to_owned();
        // What the answer depends on, and nothing else: headers may be large.
        let headers = [header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_REQUEST_HEADERS]
            .into_iter()
            .filter_map(|name| Some((name.clone(), request.headers().get(&name)?.clone())))
            .collect();
        // Publishers show a key of their own, and are not counted.
        let is_published = path == publish::PUBLISH || path.starts_with(publish::PRESENCE);
        let is_api = (path == "/api" || path.starts_with("/api/")) && !is_published;
        let is_wall =
            is_api && (path.ends_with("/streams.json") || request.query_string().split('&').any(|pair| pair == "format=array"));
        Self {
            method: request.method().clone(),
            headers,
            address: auth::ip(request.request(), api.config.trust_forwarded),
            is_api,
            is_wall,
            path,
        }
    }
}

/// The checks before a request is routed. `Some`: it is answered already.
async fn admit(
    api: &web::Data<Api>,
    request: &mut ServiceRequest,
    asked: &Asked,
    allowance: &mut Option<Allowance>,
) -> Result<Option<HttpResponse>, Problem> {
    if asked.method == Method::OPTIONS && asked.path != events::PATH {
        let mut response = HttpResponse::NoContent().finish();
        cors::preflight(&asked.headers, response.headers_mut());
        return Ok(Some(response));
    }
    // Health, metrics and pages: not signed in, not counted, not closed for maintenance.
    if !asked.is_api {
        return Ok(None);
    }
    let who = auth::identify(api, request.request()).await;
    let exempt = asked.address.is_some_and(|address| api.config.rates.exempt.contains(&address));
    if !exempt {
        let counted = api.minutes.count(&api.config.rates, &who, asked.address, api.hub.clock().now().as_seconds());
        *allowance = Some(counted);
        if counted.exceeded {
            api.metrics.rate_limited.inc();
            let wait_s = counted.reset_s - api.hub.clock().now().as_seconds();
            return Err(Problem::too_many(u64::try_from(wait_s.max(1)).unwrap_or(1)));
        }
    }
    request.extensions_mut().insert(who);
    if api.config.maintenance {
        let sentence = "The API is currently under maintenance. Please try again later.";
        return Err(Problem::unavailable("MAINTENANCE", sentence, 60).with("maintenance", true));
    }
    if !version::is_spoken(request.headers().get_all(header::ACCEPT)) {
        let sentence = "Only version 1 is spoken here: Accept application/vnd.streamwall.v1+json or application/json";
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "UNSUPPORTED_VERSION", sentence));
    }
    Ok(None)
}

/// Every error leaves as a problem document that names the request, whoever made it.
fn name_problem(response: ServiceResponse<BoxBody>, traced: &Traced, asked: &Asked) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let error = response.response().error();
    let problem = match error.and_then(|error| error.as_error::<Problem>()).cloned() {
        Some(problem) => problem,
        // A resource wrote its own body.
        None if error.is_none() && response.headers().contains_key(header::CONTENT_TYPE) => return response,
        None => foreign(status),
    };
    let named = problem.respond(problem.document(Some(&traced.request_id), Some(&asked.path)));
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut response = response.into_response(named);
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// What the framework answers of its own accord, in the hub's words.
fn foreign(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(status, "METHOD_NOT_ALLOWED", "This address does not take that method"),
        _ if status.is_client_error() => {
            Problem::new(status, "MALFORMED", status.canonical_reason().unwrap_or("The request cannot be read"))
        }
        _ => Problem::new(status, "INTERNAL", "Something went wrong here; it was written down"),
    }
}

/// The wall crashes on an error that is an object, and keeps its cache on an empty list (`streams.md` 4.9).
fn spare_the_wall(response: ServiceResponse<BoxBody>, asked: &Asked) -> ServiceResponse<BoxBody> {
    if !asked.is_wall {
        return response;
    }
    let mut response = response.map_body(|_, _| BoxBody::new("[]"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// The route's template without `/api/v1`, `{id}` spelled `:id`; never the path itself: the metrics must not grow with the visitors.
fn endpoint(response: &ServiceResponse<BoxBody>) -> String {
    let Some(pattern) = response.request().match_pattern() else { return "unmatched".to_owned() };
    let mut endpoint = String::with_capacity(pattern.len());
    let mut rest = pattern.strip_prefix("/api/v1").unwrap_or(&pattern);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        endpoint.push_str(before);
        endpoint.push(':');
        endpoint.push_str(name.split(':').next().unwrap_or(name));
        rest = after;
    }
    endpoint.push_str(rest);
    endpoint
}
