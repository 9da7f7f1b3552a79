//! `Idempotency-Key` (`platform.md` 1.2): a POST that is sent again is answered again, not done again. It wraps every resource under `/api/v1`;
//! no resource knows of it. What was answered is kept in the journal for a day, per principal and key.
//!
//! Not kept, and done again when sent again: what failed on our side (5xx), what depends on the moment (401, 403, 408, 429). An answer that
//! says `Cache-Control: no-store` holds a secret: that it was given is kept, the answer is not. Requests of nobody in particular are not
//! held to it: anybody could ask for anybody's answer.

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{self, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION},
    },
    middleware::Next,
    web::{self, Bytes},
};
use sha2::{Digest as _, Sha256};
use trunkline_actors::{
    AskError, Hub,
    accounts::answered::{Answer, Answered, AnsweredCommand, Fingerprint, PIECE_BYTES_MAX, PIECES_MAX, Repeat},
};
use trunkline_protocol::{CommandId, Credential, Principal};

use super::{Api, Problem, body::arrive};

const HEADER: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_BYTES_MAX: usize = 255;

/// The middleware: `web::scope("/api/v1").wrap(from_fn(idempotency::pass))`.
///
/// # Errors
/// Never of itself: whatever is wrong is an answer.
pub async fn pass(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let who = request.extensions().get::<Principal>().filter(|who| !who.is_anonymous()).cloned();
    let api = request.app_data::<web::Data<Api>>().cloned();
    let given = request.headers().get(HEADER).cloned();
    let (Some(api), Some(who), Some(given), &Method::POST) = (api, who, given, request.method()) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let (http, payload) = request.into_parts();
    let begun = begin(&api, &who, &given, &http, payload).await;
    let (working, bytes) = match begun {
        Ok(Begun::Fresh { working, bytes }) => (working, bytes),
        Ok(Begun::Repeated(answer)) => return Ok(ServiceResponse::new(http, answer)),
        Err(problem) => return Ok(ServiceResponse::from_err(problem, http)),
    };
    let request = ServiceRequest::from_parts(http, Payload::from(bytes));
    // Should the client go away now, the key stays taken for a minute: nobody knows how far the work went.
    let response = next.call(request).await?.map_into_boxed_body();
    let (http, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let bytes = body::to_bytes(body).await.map_err(|_| Problem::unavailable("ANSWER_LOST", "The answer could not be read", 1))?;
    if let Err(error) = finish(&api.hub, &who, &working, head.status(), head.headers(), &bytes).await {
        tracing::warn!(%error, "an answer could not be kept; its repeat is refused for a minute, then done again");
    }
    Ok(ServiceResponse::new(http, head.set_body(BoxBody::new(bytes))))
}

enum Begun {
    Fresh { working: Working, bytes: Bytes },
    Repeated(HttpResponse),
}

/// A request that is worked on: its key, and the command with which it began.
struct Working {
    key: String,
    request: CommandId,
}

async fn begin(
    api: &Api,
    who: &Principal,
    given: &HeaderValue,
    http: &actix_web::HttpRequest,
    payload: Payload,
) -> Result<Begun, Problem> {
    let given = given.to_str().ok().map(str::trim).filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX);
    let given = given.ok_or_else(|| Problem::malformed("Idempotency-Key must be 1 to 255 printable characters"))?;
    let bytes = Bytes::from(arrive(payload, api.config.import_bytes_max, api.config.body_timeout).await?);
    let fingerprint = fingerprint(http, &bytes);
    let key = key_of(who, given);
    let begin = AnsweredCommand::Begin { fingerprint };
    let asking = api.hub.asking(who);
    let request = asking.command;
    match api.hub.ask::<Answered>(&key, begin, asking).await {
        Ok(_) => Ok(Begun::Fresh { working: Working { key, request }, bytes }),
        Err(AskError::Refused(refusal)) => match Repeat::read(refusal) {
            Repeat::Answered(answer) => repeat(&api.hub, who, &key, answer).await.map(Begun::Repeated),
            Repeat::Refused(refusal) => Err(refusal.into()),
            Repeat::Piece(_) => Err(Problem::not_found()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The earlier answer, whole.
async fn repeat(hub: &Hub, who: &Principal, key: &str, answer: Answer) -> Result<HttpResponse, Problem> {
    if answer.pieces == 0 {
        let sentence = "This request was done; its answer was not kept, because it holds a secret or is too long";
        return Err(
            Problem::new(StatusCode::CONFLICT, "IDEMPOTENT_ANSWER_NOT_KEPT", sentence).with("original_status", answer.status)
        );
    }
    let mut body = answer.body;
    for piece in 1..answer.pieces {
        let recalled = hub.ask::<Answered>(format!("{key}/{piece}"), AnsweredCommand::RecallPiece, hub.asking(who)).await;
        match recalled.map_err(|error| if let AskError::Refused(refusal) = error { Ok(Repeat::read(refusal)) } else { Err(error) })
        {
            Err(Ok(Repeat::Piece(text))) => body.push_str(&text),
            Err(Err(error)) => return Err(error.into()),
            _ => return Err(Problem::unavailable("ANSWER_LOST", "The earlier answer could not be read", 1)),
        }
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    response.insert_header((REPLAYED, "true"));
    Ok(response.body(body))
}

async fn finish(
    hub: &Hub,
    who: &Principal,
    Working { key, request }: &Working,
    status: StatusCode,
    headers: &HeaderMap,
    bytes: &Bytes,
) -> Result<(), AskError> {
    let of_the_moment = matches!(status.as_u16(), 401 | 403 | 408 | 429) || status.is_server_error();
    if of_the_moment {
        return hub.ask::<Answered>(key, AnsweredCommand::Abandon { request: *request }, hub.asking(who)).await.map(|_| ());
    }
    let secret = headers.get(CACHE_CONTROL).is_some_and(|value| value.as_bytes() == b"no-store");
    let text = std::str::from_utf8(bytes).ok().filter(|_| !secret);
    let pieces = text.map(pieces).filter(|pieces| pieces.len() <= PIECES_MAX).unwrap_or_default();
    // The head last: an answer that can be found is whole.
    for (number, piece) in pieces.iter().enumerate().skip(1) {
        let keep = AnsweredCommand::KeepPiece { text: (*piece).to_owned() };
        hub.ask::<Answered>(format!("{key}/{number}"), keep, hub.asking(who)).await?;
    }
    let kept = [CONTENT_TYPE, LOCATION, ETAG, HeaderName::from_static("x-duplicate")];
    let header = |name: &HeaderName| Some((name.as_str().to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
    let answer = Answer {
        status: status.as_u16(),
        headers: kept.iter().filter_map(header).collect(),
        body: pieces.first().map(|piece| (*piece).to_owned()).unwrap_or_default(),
        pieces: u32::try_from(pieces.len()).unwrap_or(0),
    };
    hub.ask::<Answered>(key, AnsweredCommand::Finish { request: *request, answer }, hub.asking(who)).await.map(|_| ())
}

/// Cut where characters end; an empty body is one empty piece.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > PIECE_BYTES_MAX {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES_MAX));
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

/// A key belongs to one account: two may choose the same. Tokens of one account share it, so that a renewed token finds its answers.
fn key_of(who: &Principal, given: &str) -> String {
    let sort = if matches!(who.credential, Credential::ApiKey { .. }) { 'k' } else { 'u' };
    format!("{:x}", Sha256::digest(format!("{sort}{}\n{given}", who.user)))
}

fn fingerprint(http: &actix_web::HttpRequest, bytes: &[u8]) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in [http.path(), http.query_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(bytes);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_an_answer_where_characters_end_and_loses_nothing() {
        for text in ["", "a", &"é".repeat(PIECE_BYTES_MAX), &"x".repeat(PIECE_BYTES_MAX)] {
            let cut = pieces(text);
            assert_eq!(cut.concat(), *text);
            assert!(!cut.is_empty() && cut.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX));
        }
    }

    #[test]
    fn keeps_the_keys_of_two_principals_apart() {
        let (one, mut other) = (Principal::house(), Principal::house());
        other.credential = Credential::ApiKey { id: 0, secret: 0, expires: None };
        assert_ne!(key_of(&one, "k"), key_of(&other, "k"));
        assert_eq!(key_of(&one, "k"), key_of(&one, "k"));
    }
}
